// The boot payload: files that the monitor laid into the parent's memory before it started (little-endian table:
// "COFFPAY1", u32 count, u32 zero, then { char name[24]; u64 offset; u64 size }, offsets from the table's start).
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace bare {

inline constexpr std::uint64_t kPayloadAddress = 0x4800'0000;

struct PayloadFile {
  std::string_view name;
  std::span<const std::uint8_t> content;
};

// Calls visit(const PayloadFile&) for each file, in the order of the table.
template <typename Visitor>
void for_each_payload_file(Visitor&& visit) {
  struct Entry {
    char name[24];
    std::uint64_t offset, size;
  };
  constexpr std::uint32_t kMost = 32;
  const auto* base = reinterpret_cast<const std::uint8_t*>(kPayloadAddress);
  if (std::memcmp(base, "COFFPAY1", 8) != 0) return;
  std::uint32_t count = 0;
  std::memcpy(&count, base + 8, sizeof count);
  for (std::uint32_t i = 0; i < count && i < kMost; ++i) {
    const auto& entry = *reinterpret_cast<const Entry*>(base + 16 + i * sizeof(Entry));
    std::size_t length = 0;
    while (length < sizeof entry.name && entry.name[length] != 0) ++length;
    visit(PayloadFile{{entry.name, length}, {base + entry.offset, entry.size}});
  }
}

[[nodiscard]] inline std::span<const std::uint8_t> payload_file(std::string_view name) {
  std::span<const std::uint8_t> found;
  for_each_payload_file([&](const PayloadFile& file) {
    if (file.name == name) found = file.content;
  });
  return found;
}

}  // namespace bare
