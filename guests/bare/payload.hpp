// The boot payload: files that the monitor laid into the parent's memory before it started (little-endian table:
// "COFFPAY1", u32 count, u32 zero, then { char name[24]; u64 offset; u64 size }, offsets from the table's start).
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace bare {

inline constexpr std::uint64_t kPayloadAddress = 0x4800'0000;

[[nodiscard]] inline std::span<const std::uint8_t> payload_file(std::string_view name) {
  struct Entry {
    char name[24];
    std::uint64_t offset, size;
  };
  constexpr std::uint32_t kMost = 32;
  const auto* base = reinterpret_cast<const std::uint8_t*>(kPayloadAddress);
  if (std::memcmp(base, "COFFPAY1", 8) != 0) return {};
  std::uint32_t count = 0;
  std::memcpy(&count, base + 8, sizeof count);
  for (std::uint32_t i = 0; i < count && i < kMost; ++i) {
    Entry entry{};
    std::memcpy(&entry, base + 16 + i * sizeof(Entry), sizeof entry);
    std::size_t length = 0;
    while (length < sizeof entry.name && entry.name[length] != 0) ++length;
    if (std::string_view{entry.name, length} == name) return {base + entry.offset, entry.size};
  }
  return {};
}

}  // namespace bare
