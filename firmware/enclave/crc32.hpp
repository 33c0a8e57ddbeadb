// CRC-32/ISO-HDLC, fed in pieces: the checksum of an EIF (zlib's polynomial, reflected; nitro image format, "eif_crc32").
//
// Four table look-ups take four bytes at a time; the tables are made by the compiler. Eight at a time would take as many
// instructions a byte and 4 KiB more.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/byte_reader.hpp"

namespace enclave {

// kCrc32Tables[t][b]: the remainder of byte b followed by t zero bytes.
inline constexpr auto kCrc32Tables = [] {
  std::array<std::array<std::uint32_t, 256>, 4> tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t remainder = i;
    for (int bit = 0; bit < 8; ++bit) remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? 0xEDB8'8320U : 0U);
    tables[0][i] = remainder;
  }
  for (std::size_t t = 1; t < tables.size(); ++t) {
    for (std::size_t i = 0; i < 256; ++i) {
      tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 0xff];
    }
  }
  return tables;
}();

class Crc32 {
 public:
  constexpr void update(base::Bytes bytes) {
    std::size_t i = 0;
    for (; bytes.size() - i >= 4; i += 4) {
      const std::uint32_t next = state_ ^ word(bytes, i);
      state_ = kCrc32Tables[3][next & 0xff] ^ kCrc32Tables[2][(next >> 8) & 0xff] ^
               kCrc32Tables[1][(next >> 16) & 0xff] ^ kCrc32Tables[0][next >> 24];
    }
    for (; i < bytes.size(); ++i) state_ = (state_ >> 8) ^ kCrc32Tables[0][(state_ ^ bytes[i]) & 0xff];
  }
  [[nodiscard]] constexpr std::uint32_t value() const { return ~state_; }

 private:
  [[nodiscard]] static constexpr std::uint32_t word(base::Bytes bytes, std::size_t at) {  // little-endian
    return std::uint32_t{bytes[at]} | (std::uint32_t{bytes[at + 1]} << 8) | (std::uint32_t{bytes[at + 2]} << 16) |
           (std::uint32_t{bytes[at + 3]} << 24);
  }

  std::uint32_t state_{0xFFFF'FFFFU};
};

}  // namespace enclave
