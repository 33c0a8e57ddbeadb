// What the parent starts with: a table of named pieces in RAM, untrusted until measured.
//
// Little-endian: "COFFPAY1", u32 count, u32 zero, then entries {char name[24]; u64 offset; u64 size}, offsets from the
// table's first byte. Pieces that the monitor knows: "kernel" (a Linux arm64 Image or a flat binary, entered), "initrd",
// "cmdline" (text without a NUL), or "parent" (a flat binary that is told of no device tree). Others are the parent's.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "firmware/base/byte_reader.hpp"

namespace boot {

inline constexpr std::uint64_t kPayloadMagic = 0x31'59'41'50'46'46'4f'43;  // "COFFPAY1"
inline constexpr std::uint32_t kMaxPayloadEntries = 32;
inline constexpr std::size_t kPayloadHeaderSize = 16;
inline constexpr std::size_t kPayloadEntrySize = 40;
inline constexpr std::size_t kMaxPayloadTable = kPayloadHeaderSize + kMaxPayloadEntries * kPayloadEntrySize;

struct PayloadPiece {
  std::uint64_t offset;
  std::uint64_t size;
};

// A table that was copied out of RAM once and checked whole.
class Payload {
 public:
  // `table`: the first bytes of the payload, kMaxPayloadTable of them or all there are; `available`: how many bytes may
  // belong to it. Errors: kInvalidArgument (magic, count, a piece outside of what is available).
  [[nodiscard]] static base::Result<Payload> parse(base::Bytes table, std::uint64_t available);

  // All bytes that the table speaks of, itself included.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // Errors: kOutOfRange when no piece has this name.
  [[nodiscard]] base::Result<PayloadPiece> find(std::string_view name) const;

 private:
  static constexpr std::size_t kNameSize = 24;
  struct Entry {
    std::array<char, kNameSize> name;
    PayloadPiece piece;
  };
  std::array<Entry, kMaxPayloadEntries> entries_{};
  std::uint32_t count_{};
  std::uint64_t size_{};
};

}  // namespace boot
