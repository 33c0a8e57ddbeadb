// The attestation document: COSE_Sign1 over the map of nitro-formats section 2.1, byte for byte.
//
// pcrs holds exactly the locked registers. Absent optional fields are null, as the real device writes them. No key
// is added, so that verifiers made for AWS's documents take it; what Cofferdam adds is in the certificates.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"
#include "firmware/crypto/ecdsa_p384.hpp"
#include "firmware/measure/pcr_bank.hpp"

namespace attestation {

struct DocumentContent {
  std::string_view module_id;
  std::uint64_t unix_milliseconds{};
  const measure::PcrBank& pcrs;
  base::Bytes certificate;                 // the leaf, DER
  std::span<const base::Bytes> ca_bundle;  // root first
  std::optional<base::Bytes> public_key;
  std::optional<base::Bytes> user_data;
  std::optional<base::Bytes> nonce;
};

[[nodiscard]] std::size_t document_size(const DocumentContent& content);
// Writes the document behind what `writer` holds. Errors: kBufferTooSmall, kInternal.
class CborWriter;
[[nodiscard]] base::Status write_document(CborWriter& writer, const DocumentContent& content,
                                          const crypto::P384KeyPair& leaf_key);

}  // namespace attestation
