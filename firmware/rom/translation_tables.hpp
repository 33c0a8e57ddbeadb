// The ROM's own translation tables (EL3, stage 1): what it may execute, read, write.
//
// They are constants and lie in flash, so nothing can change them and the MMU goes on before any compiled code
// runs. Identity map (but for layout::kFlashAlias), 4 KiB granule, 39-bit addresses (tables at levels 1 to 3).
// Invariants, checked by the unit test that walks them: no page is both writable and executable; the page below every
// stack is unmapped; only flash below kConstantsBase is executable; RAM and flash of the normal world are mapped as
// non-secure. Source: Arm ARM D8.3 (descriptors), D8.4.6 (EL3: AP[1] RES1, XN is bit 54).
#pragma once

#include <array>
#include <cstdint>

#include "firmware/rom/layout.hpp"

namespace rom {

using TranslationTable = std::array<std::uint64_t, 512>;

struct TranslationTables {  // in the order in which they lie at layout::kTablesBase
  alignas(4096) TranslationTable level1;
  alignas(4096) TranslationTable level2;        // the first GiB
  alignas(4096) TranslationTable level3_flash;  // the first 2 MiB
  alignas(4096) TranslationTable level3_data;   // the first 2 MiB of secure RAM
};

namespace descriptor {
inline constexpr std::uint64_t kBlock = 0b01;
inline constexpr std::uint64_t kTableOrPage = 0b11;
inline constexpr std::uint64_t kNormalMemory = 0 << 2;  // MAIR_EL3 attribute 0: write-back
inline constexpr std::uint64_t kDeviceMemory = 1 << 2;  // MAIR_EL3 attribute 1: nGnRnE
inline constexpr std::uint64_t kNonSecure = 1 << 5;
inline constexpr std::uint64_t kReserved1 = 1 << 6;  // AP[1]
inline constexpr std::uint64_t kReadOnly = 1 << 7;   // AP[2]
inline constexpr std::uint64_t kInnerShareable = 3 << 8;
inline constexpr std::uint64_t kAccessed = 1 << 10;
inline constexpr std::uint64_t kGuarded = std::uint64_t{1} << 50;  // BTI
inline constexpr std::uint64_t kNeverExecute = std::uint64_t{1} << 54;

inline constexpr std::uint64_t kCommon = kReserved1 | kInnerShareable | kAccessed;
inline constexpr std::uint64_t kCode = kCommon | kNormalMemory | kReadOnly | kGuarded;
inline constexpr std::uint64_t kConstants = kCommon | kNormalMemory | kReadOnly | kNeverExecute;
inline constexpr std::uint64_t kData = kCommon | kNormalMemory | kNeverExecute;
inline constexpr std::uint64_t kDevice = kCommon | kDeviceMemory | kNeverExecute;
}  // namespace descriptor

[[nodiscard]] constexpr TranslationTables make_translation_tables() {
  namespace d = descriptor;
  constexpr std::uint64_t kPage = 0x1000;
  constexpr std::uint64_t kBlock2 = 0x20'0000;
  constexpr std::uint64_t kBlock1 = 0x4000'0000;
  TranslationTables tables{};

  tables.level1[0] = (layout::kTablesBase + kPage) | d::kTableOrPage;
  for (std::uint64_t address = layout::kRamBase; address < layout::kRamBase + layout::kRamSize; address += kBlock1) {
    tables.level1[address / kBlock1] = address | d::kData | d::kNonSecure | d::kBlock;
  }

  tables.level2[0] = (layout::kTablesBase + 2 * kPage) | d::kTableOrPage;
  tables.level2[layout::kFlashAlias / kBlock2] = layout::kCodeBase | d::kConstants | d::kBlock;
  tables.level2[layout::kSecureRamBase / kBlock2] = (layout::kTablesBase + 3 * kPage) | d::kTableOrPage;
  for (std::uint64_t offset = 0; offset < layout::kPackageSize; offset += kBlock2) {
    const std::uint64_t address = layout::kPackageBase + offset;
    tables.level2[address / kBlock2] = address | d::kConstants | d::kNonSecure | d::kBlock;
  }
  // 0x08000000, 0x08200000 (redistributors), 0x09000000
  for (const std::uint64_t device : {layout::kGicDistributor, layout::kGicDistributor + kBlock2, layout::kSecureUart}) {
    const std::uint64_t block = device / kBlock2;
    tables.level2[block] = (block * kBlock2) | d::kDevice | d::kBlock;
  }

  for (std::uint64_t page = layout::kCodeBase; page < layout::kConstantsBase; page += kPage) {
    tables.level3_flash[page / kPage] = page | d::kCode | d::kTableOrPage;
  }
  constexpr std::uint64_t kConstantsEnd = layout::kIdentityBase + layout::kIdentitySize;
  for (std::uint64_t page = layout::kConstantsBase; page < kConstantsEnd; page += kPage) {
    tables.level3_flash[page / kPage] = page | d::kConstants | d::kTableOrPage;
  }

  const auto map_data = [&tables](std::uint64_t base, std::uint64_t end) {
    for (std::uint64_t page = base; page < end; page += kPage) {
      tables.level3_data[(page - layout::kSecureRamBase) / kPage] = page | d::kData | d::kTableOrPage;
    }
  };
  map_data(layout::kDataBase, layout::kDataEnd);
  map_data(layout::kBootStackBase, layout::kBootStackEnd);
  for (std::uint64_t core = 0; core < layout::kMaxCores; ++core) {
    const std::uint64_t base = layout::kCoreStacksBase + core * layout::kCoreStackStride;
    map_data(base + kPage, base + layout::kCoreStackStride);
  }
  return tables;
}

}  // namespace rom
