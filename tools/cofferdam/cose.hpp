// COSE_Sign1 (RFC 9052 section 4.2): its four parts, and whether the signature holds.
//
// The protected header is kept as the bytes that were signed, never re-encoded. A header label stands once, in
// protected and unprotected together; a "crit" header is not understood and refused.
#pragma once

#include "tools/cofferdam/crypto.hpp"

namespace cofferdam {

struct Sign1 {
  bool tagged{};                      // tag 18 in front
  ByteView protected_header;          // all views point into what was decoded
  ByteView payload;
  ByteView signature;
  std::optional<std::int64_t> algorithm;              // from the protected header
  std::optional<std::int64_t> unprotected_algorithm;  // not signed: never what a verifier should rely on
  std::size_t size{};                 // bytes that the object takes; what follows is the caller's question
};

// Throws CborError.
[[nodiscard]] Sign1 decode_sign1(ByteView bytes);

// What is signed: the Sig_structure of RFC 9052 section 4.4.
[[nodiscard]] Bytes to_be_signed(ByteView protected_header, ByteView payload, ByteView external_data = {});

[[nodiscard]] bool verify_sign1(const Sign1& object, Algorithm algorithm, const PublicKey& key,
                                ByteView external_data = {});

// The object as AWS writes it: untagged, protected {1: algorithm}, unprotected {}.
[[nodiscard]] Bytes make_sign1(ByteView payload, const PrivateKey& key);

}  // namespace cofferdam
