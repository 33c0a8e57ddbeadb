// A core that has CRC32X (Arm ARM C6.2, FEAT_CRC32: this polynomial) takes eight bytes at a time. Elsewhere four table look-ups
// take four; the tables are made by the compiler. Eight at a time would take as many instructions a byte and 4 KiB more.
#include "firmware/enclave/crc32.hpp"

#ifdef __ARM_FEATURE_CRC32
#include <arm_acle.h>

#include <cstring>
#else
#include <array>
#endif

namespace enclave {

#ifdef __ARM_FEATURE_CRC32
void Crc32::update(base::Bytes bytes) {
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
#else
namespace {

// kCrc32Tables[t][b]: the remainder of byte b followed by t zero bytes.
constexpr auto kCrc32Tables = [] {
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

std::uint32_t word(base::Bytes bytes, std::size_t at) {  // little-endian
  return std::uint32_t{bytes[at]} | (std::uint32_t{bytes[at + 1]} << 8) | (std::uint32_t{bytes[at + 2]} << 16) |
         (std::uint32_t{bytes[at + 3]} << 24);
}

}  // namespace

void Crc32::update(base::Bytes bytes) {
  std::size_t i = 0;
  for (; bytes.size() - i >= 4; i += 4) {
    const std::uint32_t next = state_ ^ word(bytes, i);
    state_ = kCrc32Tables[3][next & 0xff] ^ kCrc32Tables[2][(next >> 8) & 0xff] ^
             kCrc32Tables[1][(next >> 16) & 0xff] ^ kCrc32Tables[0][next >> 24];
  }
  for (; i < bytes.size(); ++i) state_ = (state_ >> 8) ^ kCrc32Tables[0][(state_ ^ bytes[i]) & 0xff];
}
#endif

}  // namespace enclave
