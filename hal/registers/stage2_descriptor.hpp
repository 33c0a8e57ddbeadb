// One stage-2 translation-table descriptor, VMSAv8-64, 4 KiB granule (Arm ARM DDI 0487, D8.3).
//
// Levels used here: 1 (1 GiB an entry, tables only), 2 (2 MiB), 3 (4 KiB). An SMMUv3 stage 2 reads the same format (IHI
// 0070, 3.4). Attributes follow FEAT_S2FWB off. A descriptor with bit 0 clear is invalid whatever its other bits say.
#pragma once

#include <cstdint>

#include "firmware/base/address.hpp"
#include "firmware/base/effect.hpp"
#include "hal/registers/field.hpp"

namespace hal::registers::stage2_descriptor {

using Level = unsigned;
inline constexpr Level kRootLevel = 1;
inline constexpr Level kPageLevel = 3;
inline constexpr unsigned kEntries = 512;
inline constexpr unsigned kIndexBits = 9;

[[nodiscard]] constexpr unsigned shift_of(Level level) {  // log2 of what one entry covers, bytes
  return static_cast<unsigned>(base::kFrameShift) + (kPageLevel - level) * kIndexBits;
}
[[nodiscard]] constexpr std::uint64_t span_of(Level level) { return bit(shift_of(level)); }
[[nodiscard]] constexpr unsigned index_of(std::uint64_t ipa, Level level) {
  return static_cast<unsigned>((ipa >> shift_of(level)) & (kEntries - 1));
}

inline constexpr std::uint64_t kInvalid = 0;
inline constexpr std::uint64_t kValid = bit(0);
inline constexpr std::uint64_t kTableOrPage = bit(1);
using MemAttr = Field<2, 4>;
inline constexpr std::uint64_t kDeviceNGnRE = 0b0001;
inline constexpr std::uint64_t kNormalWriteBack = 0b1111;
using S2ap = Field<6, 2>;
inline constexpr std::uint64_t kReadable = 0b01;
inline constexpr std::uint64_t kWritable = 0b10;
inline constexpr std::uint64_t kReadableWritable = 0b11;
using Shareability = Field<8, 2>;
inline constexpr std::uint64_t kInnerShareable = 0b11;
inline constexpr std::uint64_t kAccessFlag = bit(10);
using OutputAddress = Field<12, 36>;
inline constexpr std::uint64_t kExecuteNever = bit(54);

[[nodiscard]] constexpr std::uint64_t attributes_of(base::Access access) {
  const std::uint64_t normal = MemAttr::put(kNormalWriteBack) | Shareability::put(kInnerShareable) | kAccessFlag;
  switch (access) {
    case base::Access::kReadWriteExecute: return normal | S2ap::put(kReadableWritable);
    case base::Access::kReadWrite: return normal | S2ap::put(kReadableWritable) | kExecuteNever;
    case base::Access::kReadOnly: return normal | S2ap::put(kReadable) | kExecuteNever;
    case base::Access::kDevice:
      return MemAttr::put(kDeviceNGnRE) | S2ap::put(kReadableWritable) | kAccessFlag | kExecuteNever;
    case base::Access::kMessages:
      // Without the access flag every access of a core faults, for VTCR_EL2.HA is 0 (Arm ARM D8.5); the SMMU ignores it
      // (S2AFFD).
      return MemAttr::put(kDeviceNGnRE) | S2ap::put(kWritable) | kExecuteNever;
  }
  return kInvalid;
}

// A page at level 3, a block above it.
[[nodiscard]] constexpr std::uint64_t make_leaf(base::PhysAddr output, base::Access access, Level level) {
  return (output.value & OutputAddress::kMask) | attributes_of(access) | kValid |
         (level == kPageLevel ? kTableOrPage : 0);
}
[[nodiscard]] constexpr std::uint64_t make_table(base::FrameNumber table) {
  return OutputAddress::put(table.value) | kTableOrPage | kValid;
}

[[nodiscard]] constexpr bool is_valid(std::uint64_t descriptor) { return (descriptor & kValid) != 0; }
[[nodiscard]] constexpr bool is_table(std::uint64_t descriptor, Level level) {
  return level < kPageLevel && (descriptor & (kValid | kTableOrPage)) == (kValid | kTableOrPage);
}
[[nodiscard]] constexpr bool is_leaf(std::uint64_t descriptor, Level level) {
  return is_valid(descriptor) && (((descriptor & kTableOrPage) != 0) == (level == kPageLevel));
}
[[nodiscard]] constexpr base::FrameNumber table_of(std::uint64_t descriptor) {
  return base::FrameNumber{OutputAddress::get(descriptor)};
}
[[nodiscard]] constexpr base::PhysAddr output_of(std::uint64_t descriptor, Level level) {
  return base::PhysAddr{descriptor & OutputAddress::kMask & ~(span_of(level) - 1)};
}
// The attributes of a leaf, back as the word that made them. Precondition: make_leaf() wrote it.
[[nodiscard]] constexpr base::Access access_of(std::uint64_t descriptor) {
  if ((descriptor & kAccessFlag) == 0) return base::Access::kMessages;
  if (MemAttr::get(descriptor) == kDeviceNGnRE) return base::Access::kDevice;
  if (S2ap::get(descriptor) == kReadable) return base::Access::kReadOnly;
  return (descriptor & kExecuteNever) != 0 ? base::Access::kReadWrite : base::Access::kReadWriteExecute;
}

}  // namespace hal::registers::stage2_descriptor
