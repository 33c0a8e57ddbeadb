// The monitor's own address space: stage-1 descriptors and controls of EL2 without VHE (Arm ARM D8.3, D19.2.151).
//
// 39-bit addresses, 4 KiB granule, levels 1 to 3 as in stage 2.
#pragma once

#include <cstdint>

#include "hal/registers/field.hpp"

namespace hal::registers::stage1_el2 {

inline constexpr unsigned kAddressBits = 39;

inline constexpr std::uint64_t kValid = bit(0);
inline constexpr std::uint64_t kTableOrPage = bit(1);
using AttributeIndex = Field<2, 3>;
inline constexpr std::uint64_t kRes1 = bit(6);  // AP[1], in a regime with one privilege level
inline constexpr std::uint64_t kReadOnly = bit(7);
using Shareability = Field<8, 2>;
inline constexpr std::uint64_t kAccessFlag = bit(10);
inline constexpr std::uint64_t kGuarded = bit(50);  // GP: indirect branches land on BTI only; ignored without FEAT_BTI
inline constexpr std::uint64_t kExecuteNever = bit(54);

// MAIR_EL2: attribute 0 normal write-back, attribute 1 device nGnRE, attribute 2 normal non-cacheable.
inline constexpr std::uint64_t kMair = 0x44'04FF;
inline constexpr std::uint64_t kNormal = AttributeIndex::put(0) | Shareability::put(3) | kAccessFlag | kRes1;
inline constexpr std::uint64_t kDevice = AttributeIndex::put(1) | kAccessFlag | kRes1;

// What a page is for. W^X: none is both writable and executable.
inline constexpr std::uint64_t kCode = kNormal | kReadOnly | kGuarded;
inline constexpr std::uint64_t kConstants = kNormal | kReadOnly | kExecuteNever;
inline constexpr std::uint64_t kData = kNormal | kExecuteNever;
inline constexpr std::uint64_t kRegisters = kDevice | kExecuteNever;

namespace tcr {
using T0sz = Field<0, 6>;
using PhysicalSize = Field<16, 3>;
inline constexpr std::uint64_t kRes1 = bit(31) | bit(23);
[[nodiscard]] constexpr std::uint64_t make(std::uint64_t physical_size_code) {
  return kRes1 | T0sz::put(64 - kAddressBits) | Field<8, 2>::put(1) | Field<10, 2>::put(1) | Field<12, 2>::put(3) |
         PhysicalSize::put(physical_size_code);  // walks: write back, inner shareable; TG0 = 4 KiB
}
}  // namespace tcr

}  // namespace hal::registers::stage1_el2
