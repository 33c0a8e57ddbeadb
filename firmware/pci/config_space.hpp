// The configuration space of one emulated function: PCI Local Bus 3.0 section 6, type 0 header.
//
// Behind the header stand a PCI Express capability, which makes it an endpoint that is integrated in the root complex
// (PCI Express Base section 7.5.3: no link, nothing to train), and MSI-X. No I/O, no ROM, no INTx, no reset of its own;
// extended space reads as 0, which says that it is empty.
// Pure. Callers serialise.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "firmware/pci/description.hpp"

namespace pci {

inline constexpr std::uint64_t kConfigSize = 4096;  // bytes for each function

// What a read returns that nobody answers.
[[nodiscard]] constexpr std::uint64_t all_ones(std::uint32_t size) {
  return size >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * size)) - 1;
}

class ConfigSpace {
 public:
  // Precondition: is_valid(description), which must outlive this.
  explicit constexpr ConfigSpace(const FunctionDescription& description) : description_(&description) {}

  // Aligned accesses of 1, 2 or 4 bytes at offsets below kConfigSize. Any other reads as all ones and writes nothing.
  // Read-only fields ignore writes.
  [[nodiscard]] std::uint64_t read(std::uint64_t offset, std::uint32_t size) const;
  void write(std::uint64_t offset, std::uint32_t size, std::uint64_t value);

  // Which BAR, if any, answers at a memory address: only while the command register lets the function decode memory.
  struct Place {
    std::uint8_t bar;
    std::uint32_t offset;
    bool operator==(const Place&) const = default;
  };
  [[nodiscard]] std::optional<Place> decode(std::uint64_t address) const;

  [[nodiscard]] bool msix_enabled() const { return (msix_control_ & kMsixEnable) != 0; }
  [[nodiscard]] bool msix_masked() const { return (msix_control_ & kMsixFunctionMask) != 0; }

 private:
  static constexpr std::uint16_t kMsixFunctionMask = 1U << 14;
  static constexpr std::uint16_t kMsixEnable = 1U << 15;

  [[nodiscard]] std::uint32_t register_at(std::uint32_t offset) const;  // offset: a multiple of 4

  const FunctionDescription* description_;
  std::array<std::uint32_t, kBars> bars_{};
  std::uint16_t command_{};
  std::uint16_t msix_control_{};
  std::uint8_t device_control_{};
  std::uint8_t cache_line_{};
  std::uint8_t interrupt_line_{};
};

}  // namespace pci
