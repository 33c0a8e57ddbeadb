// VTCR_EL2 and VTTBR_EL2: how a core walks stage 2 (Arm ARM D19.2.160, D19.2.161).
//
// 39-bit intermediate addresses: a walk starts at level 1 in one frame of 512 entries.
#pragma once

#include <cstdint>

#include "firmware/base/ids.hpp"
#include "hal/registers/field.hpp"

namespace hal::registers {

inline constexpr unsigned kIpaBits = 39;

namespace vtcr_el2 {
using T0sz = Field<0, 6>;
using Sl0 = Field<6, 2>;
using Irgn0 = Field<8, 2>;
using Orgn0 = Field<10, 2>;
using Sh0 = Field<12, 2>;
using Tg0 = Field<14, 2>;
using Ps = Field<16, 3>;
inline constexpr std::uint64_t kRes1 = bit(31);
inline constexpr std::uint64_t kStartLevel1 = 1;  // SL0 for the 4 KiB granule
inline constexpr std::uint64_t kWriteBack = 1;
inline constexpr std::uint64_t kInnerShareable = 3;
// VS = 0: 8-bit VMIDs, which every core has.
[[nodiscard]] constexpr std::uint64_t make(std::uint64_t physical_size_code) {
  return T0sz::put(64 - kIpaBits) | Sl0::put(kStartLevel1) | Irgn0::put(kWriteBack) | Orgn0::put(kWriteBack) |
         Sh0::put(kInnerShareable) | Tg0::put(0) | Ps::put(physical_size_code) | kRes1;
}
}  // namespace vtcr_el2

namespace vttbr_el2 {
using Baddr = Field<1, 47>;
using Vmid = Field<48, 16>;
[[nodiscard]] constexpr std::uint64_t make(base::FrameNumber root, base::PartitionId partition) {
  return base::address_of(root).value | Vmid::put(partition.value);
}
}  // namespace vttbr_el2

}  // namespace hal::registers
