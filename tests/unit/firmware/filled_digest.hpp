// A digest, and a key made of one, that a test can name by one byte.
#pragma once

#include <cstdint>

#include "firmware/crypto/ecdsa_p384.hpp"
#include "firmware/crypto/sha384.hpp"

namespace test_data {

inline crypto::Digest filled(std::uint8_t byte) {
  crypto::Digest digest{};
  digest.fill(byte);
  return digest;
}

inline crypto::P384KeyPair key_of(std::uint8_t seed_byte) { return crypto::P384KeyPair::from_seed(filled(seed_byte)).value(); }

}  // namespace test_data
