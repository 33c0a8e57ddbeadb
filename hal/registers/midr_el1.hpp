// Which core this is, and whether an erratum of its makes invalidation need two rounds (Arm ARM D19.2.96).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "hal/registers/field.hpp"

namespace hal::registers::midr_el1 {

using PartNumber = Field<4, 12>;
using Implementer = Field<24, 8>;
inline constexpr std::uint64_t kArm = 0x41;

// CVE-2025-10263: a broadcast TLBI;DSB may complete before stores through the old translation are visible to others.
// Arm's list: Cortex-A76 .. X925 and Neoverse N1, N2, V1, V2, V3. All revisions count: a fixed one only loses time.
inline constexpr std::array<std::uint16_t, 25> kInvalidateTwice{
    0xD0B, 0xD0C, 0xD0D, 0xD0E, 0xD40, 0xD41, 0xD42, 0xD44, 0xD47, 0xD48, 0xD49, 0xD4B, 0xD4C,
    0xD4D, 0xD4E, 0xD4F, 0xD80, 0xD81, 0xD82, 0xD83, 0xD84, 0xD85, 0xD87, 0xD88, 0xD8E};

[[nodiscard]] constexpr bool must_invalidate_twice(std::uint64_t midr) {
  return Implementer::get(midr) == kArm &&
         std::find(kInvalidateTwice.begin(), kInvalidateTwice.end(), PartNumber::get(midr)) != kInvalidateTwice.end();
}

}  // namespace hal::registers::midr_el1
