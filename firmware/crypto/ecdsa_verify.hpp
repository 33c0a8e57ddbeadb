// Verifying ECDSA signatures of others: ES256, ES384, ES512 (RFC 9053 section 2.1).
//
// High s is accepted: half of the signatures in the field have it (nitro-formats trap 9).
#pragma once

#include <cstdint>
#include <initializer_list>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"
#include "firmware/crypto/ecdsa_p384.hpp"

namespace crypto {

enum class Curve : std::uint8_t { kP256, kP384, kP521 };

inline constexpr std::size_t kMaxPointSize = 133;      // P-521, uncompressed
inline constexpr std::size_t kMaxSignatureSize = 132;  // P-521, r || s

[[nodiscard]] constexpr std::size_t coordinate_size(Curve curve) {
  switch (curve) {
    case Curve::kP256: return 32;
    case Curve::kP384: return 48;
    case Curve::kP521: return 66;
  }
  return 0;
}

// The hash that goes with a signature; X.509 may combine any of them with any curve.
enum class Hash : std::uint8_t { kSha256, kSha384, kSha512 };
[[nodiscard]] constexpr Hash usual_hash(Curve curve) {
  switch (curve) {
    case Curve::kP256: return Hash::kSha256;
    case Curve::kP384: return Hash::kSha384;
    case Curve::kP521: return Hash::kSha512;
  }
  return Hash::kSha384;
}

// `point` is uncompressed, `signature` r || s of the curve's size; the message is the parts one after another.
// Errors, in this order: kInvalidArgument (sizes, form or the point is not on the curve), kBadSignature, kInternal.
[[nodiscard]] base::Status verify(Curve curve, Hash hash, base::Bytes point,
                                  std::initializer_list<base::Bytes> message_parts, base::Bytes signature);
[[nodiscard]] base::Status verify_p384(const P384PublicKey& key, const Digest& digest, const P384Signature& signature);

}  // namespace crypto
