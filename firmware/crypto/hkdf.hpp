// HMAC-SHA-384 (RFC 2104) and HKDF-SHA-384 (RFC 5869).
//
// All errors: kInternal when the library has no memory left or the output is longer than RFC 5869 allows.
#pragma once

#include <array>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"
#include "firmware/crypto/sha384.hpp"

namespace crypto {

[[nodiscard]] base::Result<Digest> hmac_sha384(base::Bytes key, base::Bytes data);

[[nodiscard]] base::Result<Digest> hkdf_extract(base::Bytes salt, base::Bytes input_key);
// Fills all of `output`.
[[nodiscard]] base::Status hkdf_expand_into(base::MutableBytes output, const Digest& pseudorandom_key, base::Bytes info);
template <std::size_t kSize>
[[nodiscard]] base::Result<std::array<std::uint8_t, kSize>> hkdf_expand(const Digest& pseudorandom_key,
                                                                        base::Bytes info) {
  static_assert(kSize > 0 && kSize <= 255 * 48);
  std::array<std::uint8_t, kSize> output{};
  MON_TRY(hkdf_expand_into(output, pseudorandom_key, info));
  return output;
}

}  // namespace crypto
