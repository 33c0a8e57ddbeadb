// What the parent starts with: a table of named pieces in flash, untrusted until measured.
//
// Little-endian: "COFFPAY1", u32 count, u32 zero, then entries {char name[24]; u64 offset; u64 size}, offsets from the
// table's first byte. The piece "parent" is loaded and entered; all the bytes are laid where the parent can read them.
#pragma once

#include <cstdint>
#include <string_view>

#include "firmware/base/byte_reader.hpp"

namespace boot {

inline constexpr std::uint64_t kPayloadMagic = 0x31'59'41'50'46'46'4f'43;  // "COFFPAY1"
inline constexpr std::uint32_t kMaxPayloadEntries = 32;
inline constexpr std::uint64_t kMaxPayloadSize = 32 * 1024 * 1024;

struct PayloadPiece {
  std::uint64_t offset;
  std::uint64_t size;
};

// All bytes that the table speaks of. Errors: kInvalidArgument (magic, count, a piece outside the flash or the bound).
[[nodiscard]] base::Result<std::uint64_t> payload_size(base::Bytes payload);
// Errors: as payload_size, and kOutOfRange when no piece has this name.
[[nodiscard]] base::Result<PayloadPiece> find_piece(base::Bytes payload, std::string_view name);

}  // namespace boot
