#include "tools/provision/device.hpp"

#include <algorithm>

#include "firmware/crypto/certificate.hpp"
#include "firmware/crypto/certificate_view.hpp"
#include "firmware/crypto/secret.hpp"
#include "firmware/crypto/sha384.hpp"
#include "firmware/measure/dice.hpp"
#include "firmware/rom/identity.hpp"

namespace provision {
namespace {

constexpr std::size_t kMaxDeviceId = 31;

crypto::P384PublicKey device_public_key(const measure::Digest& uds) {
  auto seed = measure::device_key_seed(uds);
  if (!seed.ok()) throw ProvisionError("internal: the device key can't be derived");
  const crypto::WipeOnExit wipe_seed{*seed};
  auto pair = crypto::P384KeyPair::from_seed(*seed);
  if (!pair.ok()) throw ProvisionError("internal: the device key can't be derived");
  const crypto::WipeOnExit wipe_pair{*pair};
  return pair->public_key();
}

measure::Certificate stored(ByteView der) {
  measure::Certificate certificate{};
  if (der.size() > certificate.der.size()) {
    throw ProvisionError("a certificate of the root has " + std::to_string(der.size()) + " bytes; " +
                         std::to_string(certificate.der.size()) + " fit into a device");
  }
  certificate.size = static_cast<std::uint32_t>(der.size());
  std::copy(der.begin(), der.end(), certificate.der.begin());
  return certificate;
}

measure::Certificate issue(const Root& root, const DeviceOptions& options, const std::string& device_id,
                           const crypto::P384PublicKey& key, const Randomness& randomness) {
  const auto issuer = crypto::read_certificate(root.manufacturer_certificate);
  if (!issuer.ok()) throw ProvisionError("the manufacturer's certificate can't be read");
  const std::string name = device_id + ".device.cofferdam";
  const std::array mark{crypto::Extension{kDevelopmentOid, crypto::Criticality::kNotCritical, kDevelopmentValue}};
  const auto serial = randomness.serial("device " + device_id);
  crypto::CertificateRequest request{};
  request.issuer = {issuer->subject_common_name, {}, issuer->subject_organizational_unit};
  request.subject = {name, {}, unit_of(options.purpose)};
  request.serial = serial;
  request.validity = {options.not_before,
                      std::min(options.not_before + kDeviceLifetime, root.manufacturer_not_after)};
  request.kind = crypto::CertificateKind::kAuthority;
  request.path_length = 1;
  request.subject_key = key;
  if (options.purpose == Purpose::kDevelopment) request.extensions = mark;

  std::array<std::uint8_t, measure::kMaxCertificateSize> buffer{};
  const auto der = crypto::write_certificate(request, root.manufacturer_key.pair, buffer);
  if (!der.ok()) throw ProvisionError("the device's certificate can't be issued: is --not-before inside the root's life?");
  return stored(*der);
}

std::string chosen_id(const DeviceOptions& options, const Randomness& randomness) {
  if (options.device_id.empty()) return "i-" + to_hex(randomness.digest("device id")).substr(0, 17);
  const bool printable = std::all_of(options.device_id.begin(), options.device_id.end(),
                                     [](char c) { return c > ' ' && c <= '~'; });
  if (!printable || options.device_id.size() > kMaxDeviceId) {
    throw ProvisionError("--device-id: 1 to 31 printable characters without blanks, such as i-0123456789abcdef0");
  }
  return options.device_id;
}

}  // namespace

Bytes make_device(const Root& root, const DeviceOptions& options, const Randomness& randomness) {
  if (root.purpose != options.purpose) {
    throw ProvisionError(root.purpose == Purpose::kDevelopment
                             ? "this is a development root: it makes development devices only; pass --development"
                             : "this is a production root: it makes no development devices; leave --development "
                               "out, or make a development root");
  }
  const std::string device_id = chosen_id(options, randomness);
  rom::Identity identity{};
  const crypto::WipeOnExit wipe{identity};
  identity.development = options.purpose == Purpose::kDevelopment ? 1 : 0;
  identity.minimum_security_version = options.minimum_security_version;
  std::copy(device_id.begin(), device_id.end(), identity.device_id.begin());
  identity.uds = randomness.digest("unique device secret of " + device_id);
  identity.signer_digest = crypto::sha384(root.firmware_signer);
  identity.certificates = {stored(root.root_certificate), stored(root.manufacturer_certificate),
                           issue(root, options, device_id, device_public_key(identity.uds), randomness)};
  const auto encoded = rom::encode_identity(identity);
  if (!encoded.ok()) throw ProvisionError("internal: the identity would not be accepted by the ROM");
  return {encoded->begin(), encoded->end()};
}

}  // namespace provision
