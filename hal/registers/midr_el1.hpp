// Which core this is, and whether an erratum of its makes invalidation need two rounds (Arm ARM D19.2.96).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "hal/registers/field.hpp"

namespace hal::registers::midr_el1 {

using PartNumber = Field<4, 12>;
using Implementer = Field<24, 8>;
inline constexpr std::uint8_t kArm = 0x41;
inline constexpr std::uint8_t kNvidia = 0x4E;
inline constexpr std::uint8_t kMicrosoft = 0x6D;

// CVE-2025-10263: a broadcast TLBI;DSB may complete before stores through the old translation are visible to others.
// Arm's list: Cortex-A76 .. X925, C1-Ultra, C1-Premium and Neoverse N1, N2, V1, V2, V3; Linux (ARM64_ERRATUM_4118414)
// has NVIDIA's Olympus and Microsoft's Azure Cobalt 100. All revisions count: a fixed one only loses time.
struct Core {
  std::uint8_t implementer;
  std::uint16_t part;
};
inline constexpr std::array kInvalidateTwice{
    Core{kArm, 0xD0B}, Core{kArm, 0xD0C}, Core{kArm, 0xD0D},    Core{kArm, 0xD0E},      Core{kArm, 0xD40},
    Core{kArm, 0xD41}, Core{kArm, 0xD42}, Core{kArm, 0xD44},    Core{kArm, 0xD47},      Core{kArm, 0xD48},
    Core{kArm, 0xD49}, Core{kArm, 0xD4B}, Core{kArm, 0xD4C},    Core{kArm, 0xD4D},      Core{kArm, 0xD4E},
    Core{kArm, 0xD4F}, Core{kArm, 0xD80}, Core{kArm, 0xD81},    Core{kArm, 0xD82},      Core{kArm, 0xD83},
    Core{kArm, 0xD84}, Core{kArm, 0xD85}, Core{kArm, 0xD87},    Core{kArm, 0xD88},      Core{kArm, 0xD8C},
    Core{kArm, 0xD8E}, Core{kArm, 0xD90}, Core{kNvidia, 0x010}, Core{kMicrosoft, 0xD49}};

[[nodiscard]] constexpr bool must_invalidate_twice(std::uint64_t midr) {
  return std::ranges::any_of(kInvalidateTwice, [midr](const Core& core) {
    return core.implementer == Implementer::get(midr) && core.part == PartNumber::get(midr);
  });
}

}  // namespace hal::registers::midr_el1
