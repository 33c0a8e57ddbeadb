// CRC-32/ISO-HDLC, fed in pieces: the checksum of an EIF (zlib's polynomial, reflected; nitro image format, "eif_crc32").
//
// A core that has CRC32X (Arm ARM C6.2, FEAT_CRC32: this polynomial) takes eight bytes at a time. Elsewhere four table look-ups
// take four; the tables are made by the compiler. Eight at a time would take as many instructions a byte and 4 KiB more.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#ifdef __ARM_FEATURE_CRC32
#include <arm_acle.h>
#endif

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
#ifdef __ARM_FEATURE_CRC32
    if !consteval { return update_by_instructions(bytes); }
#endif
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
#ifdef __ARM_FEATURE_CRC32
  void update_by_instructions(base::Bytes bytes) {
    const std::uint8_t* at = bytes.data();
    const std::uint8_t* const end = at + bytes.size();
    const auto to_boundary = [&] { return reinterpret_cast<std::uintptr_t>(at) % 8 != 0; };  // the image is built -mstrict-align
    while (at != end && to_boundary()) state_ = __crc32b(state_, *at++);
    for (; end - at >= 8; at += 8) {
      std::uint64_t next;
      std::memcpy(&next, __builtin_assume_aligned(at, 8), 8);
      state_ = __crc32d(state_, next);
    }
    while (at != end) state_ = __crc32b(state_, *at++);
  }
#endif
  [[nodiscard]] static constexpr std::uint32_t word(base::Bytes bytes, std::size_t at) {  // little-endian
    return std::uint32_t{bytes[at]} | (std::uint32_t{bytes[at + 1]} << 8) | (std::uint32_t{bytes[at + 2]} << 16) |
           (std::uint32_t{bytes[at + 3]} << 24);
  }

  std::uint32_t state_{0xFFFF'FFFFU};
};

}  // namespace enclave
