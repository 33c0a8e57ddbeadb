// ECDSA on P-384 with SHA-384 (FIPS 186-5): the only kind of key that Cofferdam owns.
//
// A key pair is a function of its 48-byte seed alone: d = (OKM mod (n-1)) + 1 with OKM = HKDF-Expand(seed,
// "cofferdam ecdsa p384 key", 56 bytes), the extra-random-bits method of FIPS 186-5 A.2.1 with 64 extra bits.
// Signatures are deterministic (RFC 6979) and written r || s, big-endian, 48 bytes each.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"
#include "firmware/crypto/sha384.hpp"

namespace crypto {

inline constexpr std::size_t kP384ScalarSize = 48;
using P384PublicKey = std::array<std::uint8_t, 97>;  // 0x04 || X || Y (SEC 1, 2.3.3)
using P384Signature = std::array<std::uint8_t, 96>;  // r || s

// Holds a secret: the owner calls wipe() when done (crypto/secret.hpp).
class P384KeyPair {
 public:
  // Errors: kInternal when the library has no memory left.
  [[nodiscard]] static base::Result<P384KeyPair> from_seed(const Digest& seed);
  // A private key as others store it. Errors: kInvalidArgument unless 0 < d < n; kInternal.
  [[nodiscard]] static base::Result<P384KeyPair> from_scalar(base::Bytes scalar);

  [[nodiscard]] const P384PublicKey& public_key() const { return public_key_; }
  // Of a message that was hashed to `digest`. Errors: kInternal.
  [[nodiscard]] base::Result<P384Signature> sign(const Digest& digest) const;
  void wipe();

 private:
  std::array<std::uint8_t, kP384ScalarSize> scalar_{};
  P384PublicKey public_key_{};
};

}  // namespace crypto
