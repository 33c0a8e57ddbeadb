#include <cstring>

#include "guests/enclave/keys/kms_client.hpp"
#include "guests/enclave/nsm_device.hpp"
#include "guests/enclave/wire/nsm_messages.hpp"

namespace enclave_keys {
namespace {

std::optional<std::string_view> unless_empty(const Bytes& bytes) {
  return bytes.empty() ? std::nullopt : std::optional(cofferdam::as_text(bytes));
}

}  // namespace

DocumentSource nsm_documents(DocumentExtras extras, std::string device) {
  return [extras = std::move(extras), device = std::move(device)](ByteView public_key) {
    enclave::NsmDevice nsm(device.c_str());
    if (!nsm.is_open()) {
      throw std::runtime_error("can't open " + device + ": " + std::strerror(errno) +
                               "; this runs in an enclave, whose kernel has the nsm driver");
    }
    const auto key = public_key.empty() ? std::nullopt : std::optional(cofferdam::as_text(public_key));
    const std::string answer =
        nsm.ask(nsm_wire::attestation_request(unless_empty(extras.user_data), unless_empty(extras.nonce), key));
    const auto document = nsm_wire::read_document(answer);
    if (!document) {
      throw std::runtime_error(nsm.error() != 0
                                   ? device + " refuses the request: " + std::strerror(nsm.error())
                                   : device +
                                         " gives no document: nonce, user data and public key may have 512, "
                                         "512 and 1024 bytes");
    }
    const ByteView bytes = cofferdam::as_bytes(*document);
    return Bytes(bytes.begin(), bytes.end());
  };
}

}  // namespace enclave_keys
