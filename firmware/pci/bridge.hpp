// A host bridge that exists for the monitor's own functions only: one bus behind an ECAM window (Linux's binding
// pci-host-ecam-generic; PCI Express Base section 7.2.2), nothing behind it that could reach memory.
//
// The first function is device 0, the second device 1, each with function number 0. What nobody answers reads as all
// ones and swallows writes. Pure. Callers serialise.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "firmware/pci/config_space.hpp"
#include "firmware/pci/msix_table.hpp"

namespace pci {

inline constexpr std::uint64_t kEcamBytes = std::uint64_t{1} << 20;  // one bus: 32 devices with 8 functions of 4 KiB

// A function's configuration space and its MSI-X table, kept in step.
class Function {
 public:
  // Precondition: is_valid(description), which must outlive this.
  explicit constexpr Function(const FunctionDescription& description)
      : description_(&description), config_(description), msix_(description.msix.vectors) {}

  [[nodiscard]] const ConfigSpace& config() const { return config_; }
  [[nodiscard]] std::uint64_t read_config(std::uint64_t offset, std::uint32_t size) const;
  [[nodiscard]] Messages write_config(std::uint64_t offset, std::uint32_t size, std::uint64_t value);

  // MSI-X's part of a BAR. Whoever plays the function asks first, and answers himself where this is false.
  [[nodiscard]] bool is_msix(std::uint8_t bar, std::uint64_t offset) const;
  // Precondition: is_msix(bar, offset).
  [[nodiscard]] std::uint64_t read_msix(std::uint8_t bar, std::uint64_t offset, std::uint32_t size) const;
  [[nodiscard]] Messages write_msix(std::uint8_t bar, std::uint64_t offset, std::uint32_t size, std::uint64_t value);

  [[nodiscard]] std::optional<Message> raise(std::uint32_t vector) { return msix_.raise(vector); }

 private:
  [[nodiscard]] bool is_table(std::uint8_t bar, std::uint64_t offset) const;

  const FunctionDescription* description_;
  ConfigSpace config_;
  MsixTable msix_;
};

class Bridge {
 public:
  // Precondition: at most 32; they outlive this.
  explicit constexpr Bridge(std::span<Function> functions) : functions_(functions) {}

  // `offset` counts from the ECAM window's start. Accesses as ConfigSpace takes them.
  [[nodiscard]] std::uint64_t read_config(std::uint64_t offset, std::uint32_t size) const;
  [[nodiscard]] Messages write_config(std::uint64_t offset, std::uint32_t size, std::uint64_t value);

  // Who answers at an address of the memory window, as the guest has programmed the BARs. Two that it laid over each
  // other: the lower device number.
  struct Target {
    std::uint8_t function;  // index into the functions
    std::uint8_t bar;
    std::uint32_t offset;
    bool operator==(const Target&) const = default;
  };
  [[nodiscard]] std::optional<Target> decode(std::uint64_t address) const;
  // Precondition: index is one that decode() answered.
  [[nodiscard]] Function& function(std::uint8_t index) { return functions_[index]; }

 private:
  [[nodiscard]] Function* find(std::uint64_t offset) const;

  std::span<Function> functions_;
};

}  // namespace pci
