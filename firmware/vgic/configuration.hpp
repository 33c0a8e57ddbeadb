// What a partition's virtual interrupt controller is made of: its cores, and which INTIDs exist for what.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/ids.hpp"

namespace vgic {

inline constexpr std::size_t kMaxCores = 8;
inline constexpr std::uint32_t kFirstPpi = 16;
inline constexpr std::uint32_t kFirstSpi = 32;
inline constexpr std::uint32_t kIntids = 1020;  // 1020 to 1023 are special (IHI 0069, 2.2)
inline constexpr std::size_t kWords = 32;       // registers of one bit an interrupt
inline constexpr std::size_t kMaxListRegisters = 16;

// The n-th virtual core of the partition. Not the board's number of a core: that is base::CoreId.
struct CoreIndex : base::Distinct<CoreIndex, std::uint8_t> {
  using Distinct::Distinct;
};

class IntidSet {
 public:
  // Precondition: intid.value < kIntids.
  constexpr void add(base::Intid intid) { words_[intid.value / 32] |= std::uint32_t{1} << (intid.value % 32); }
  constexpr void add(base::Intid first, base::Intid last) {
    for (std::uint32_t i = first.value; i <= last.value; ++i) add(base::Intid{i});
  }
  [[nodiscard]] constexpr bool contains(base::Intid intid) const {
    return intid.value < kIntids && (words_[intid.value / 32] >> (intid.value % 32) & 1) != 0;
  }
  [[nodiscard]] constexpr std::uint32_t word(std::size_t index) const { return words_[index]; }  // index < kWords

 private:
  std::array<std::uint32_t, kWords> words_{};
};

// The three sets must not overlap, none may hold an SGI (0 to 15 always exist) and `message` holds SPIs only.
struct Configuration {
  std::uint8_t cores{};                          // 1 to kMaxCores
  std::array<std::uint64_t, kMaxCores> mpidr{};  // each virtual core's affinity as its MPIDR_EL1 shows it
  IntidSet physical;                             // the board gives them to this partition; PPIs count for every core
  IntidSet message;                              // SPIs made pending by messages: GICD_SETSPI_NSR or a device's MSI
  IntidSet raised;                               // the monitor alone raises them
};

}  // namespace vgic
