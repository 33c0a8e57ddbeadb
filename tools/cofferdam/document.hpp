// The payload of an attestation document (aws-nitro-enclaves-nsm-api docs/attestation_process.md, section 2.2).
//
// Keys and types as AWS documents them; unknown keys are skipped, a key or register that stands twice is refused,
// optional fields may be null or absent. The map may have definite or indefinite length, as real documents do.
#pragma once

#include <map>

#include "tools/cofferdam/crypto.hpp"

namespace cofferdam {

inline constexpr std::size_t kMaxCertificates = 10;  // root to leaf
inline constexpr std::size_t kMaxField = 1024;       // public_key, user_data, nonce, one certificate
inline constexpr std::size_t kPcrCount = 32;

struct Document {
  std::string module_id;
  std::string digest;          // "SHA384"
  std::uint64_t timestamp{};   // milliseconds of Unix time
  std::map<unsigned, Bytes> pcrs;
  Bytes certificate;           // DER of the leaf
  std::vector<Bytes> cabundle; // DER, the root first
  std::optional<Bytes> public_key;
  std::optional<Bytes> user_data;
  std::optional<Bytes> nonce;

  // All that a debug enclave has of its code is zero (AWS documentation, "Cryptographic attestation").
  [[nodiscard]] bool is_debug() const;
};

// Throws CborError saying what is wrong and where in the payload.
[[nodiscard]] Document decode_document(ByteView payload);

// A register's meaning, for people.
[[nodiscard]] std::string_view meaning_of_pcr(unsigned index);

}  // namespace cofferdam
