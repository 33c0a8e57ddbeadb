// What an emulated PCI function is: constants that its configuration space is made of.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace pci {

inline constexpr std::size_t kBars = 6;          // of a type 0 header
inline constexpr std::uint32_t kMaxVectors = 8;  // of MSI-X, for one function

struct MsixDescription {
  std::uint32_t vectors;  // 0: the function has no MSI-X, the rest counts for nothing
  std::uint8_t table_bar;
  std::uint32_t table_offset;
  std::uint8_t pending_bar;
  std::uint32_t pending_offset;
};

struct FunctionDescription {
  std::uint16_t vendor;
  std::uint16_t device;
  std::uint32_t class_code;  // 24 bits: class << 16 | subclass << 8 | programming interface
  std::uint8_t revision;
  std::uint16_t subsystem_vendor;
  std::uint16_t subsystem;
  std::array<std::uint32_t, kBars> bar_sizes;  // bytes of 32-bit memory, not prefetchable; 0: not there
  MsixDescription msix;
};

inline constexpr std::uint32_t kMsixEntrySize = 16;
[[nodiscard]] constexpr std::uint32_t table_bytes(const MsixDescription& msix) { return msix.vectors * kMsixEntrySize; }
inline constexpr std::uint32_t kPendingBytes = 8;  // for kMaxVectors
static_assert(kMaxVectors <= 64);

// PCI 3.0 sections 6.2.5.1 and 6.8.2; BARs of whole frames, because the monitor traps by frames.
[[nodiscard]] constexpr bool is_valid(const FunctionDescription& function) {
  for (const std::uint32_t size : function.bar_sizes) {
    if (size != 0 && (size < 4096 || (size & (size - 1)) != 0)) return false;
  }
  if (function.vendor == 0xFFFF || function.class_code > 0xFF'FFFF) return false;
  const MsixDescription& msix = function.msix;
  if (msix.vectors == 0) return true;
  if (msix.vectors > kMaxVectors || msix.table_bar >= kBars || msix.pending_bar >= kBars) return false;
  const auto inside = [&](std::uint8_t bar, std::uint32_t offset, std::uint32_t bytes) {
    const std::uint32_t size = function.bar_sizes[bar];
    return offset % 8 == 0 && offset < size && bytes <= size - offset;
  };
  if (!inside(msix.table_bar, msix.table_offset, table_bytes(msix))) return false;
  if (!inside(msix.pending_bar, msix.pending_offset, kPendingBytes)) return false;
  return msix.table_bar != msix.pending_bar || msix.table_offset + table_bytes(msix) <= msix.pending_offset ||
         msix.pending_offset + kPendingBytes <= msix.table_offset;
}

}  // namespace pci
