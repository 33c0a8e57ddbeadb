// SHA-384 (FIPS 180-4), at once or running; the running hash can be read at any time and goes on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "firmware/base/byte_reader.hpp"

namespace crypto {

using Digest = std::array<std::uint8_t, 48>;

// Trivially copyable: a copy is a fork of the hash. A fresh object needs no constructor code.
class Sha384 {
 public:
  void update(base::Bytes data);
  [[nodiscard]] Digest finish() const;  // of all bytes so far; works on a copy

 private:
  static constexpr std::size_t kContextSize = 216;  // mbedtls_sha512_context; checked in the .cpp
  alignas(8) std::array<unsigned char, kContextSize> context_{};
  bool started_{false};
};

[[nodiscard]] Digest sha384(base::Bytes data);

}  // namespace crypto
