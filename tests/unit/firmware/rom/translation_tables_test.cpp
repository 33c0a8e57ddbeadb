// Walks the ROM's translation tables as the MMU does, and checks what the whole address space can do.
#include "firmware/rom/translation_tables.hpp"

#include <gtest/gtest.h>

#include <map>
#include <optional>

namespace rom {
namespace {

struct Mapping {
  std::uint64_t physical;
  bool writable, executable, secure, device;
};

constexpr std::uint64_t kAddressMask = 0x0000'ffff'ffff'f000;

const TranslationTables& tables() {
  static const TranslationTables made = make_translation_tables();
  return made;
}

const TranslationTable& table_at(std::uint64_t address) {
  switch ((address - layout::kTablesBase) / 0x1000) {
    case 0: return tables().level1;
    case 1: return tables().level2;
    case 2: return tables().level3_flash;
    default: return tables().level3_data;
  }
}

std::optional<Mapping> decode(std::uint64_t entry, std::uint64_t offset) {
  EXPECT_NE(entry & descriptor::kAccessed, 0u) << "no access-flag faults";
  return Mapping{(entry & kAddressMask) + offset, (entry & descriptor::kReadOnly) == 0,
                 (entry & descriptor::kNeverExecute) == 0, (entry & descriptor::kNonSecure) == 0,
                 (entry & descriptor::kDeviceMemory) != 0};
}

std::optional<Mapping> walk(std::uint64_t address) {
  const TranslationTable* table = &tables().level1;
  for (int level = 1; level <= 3; ++level) {
    const int shift = 39 - 9 * level;
    const std::uint64_t entry = (*table)[address >> shift & 511];
    if ((entry & 1) == 0) return std::nullopt;
    const bool table_or_page = (entry & 2) != 0;
    if (level == 3 || !table_or_page) return decode(entry, address & ((std::uint64_t{1} << shift) - 1));
    table = &table_at(entry & kAddressMask);
  }
  return std::nullopt;
}

// The first GiB in pages; the rest is 1 GiB blocks or nothing.
template <typename Visit>
void for_each_page(Visit visit) {
  for (std::uint64_t address = 0; address < 0x4000'0000; address += 0x1000) visit(address, walk(address));
  for (std::uint64_t gib = 1; gib < 512; ++gib) visit(gib << 30, walk(gib << 30));
}

TEST(RomTables, NoPageIsWritableAndExecutable) {
  for_each_page([](std::uint64_t address, const std::optional<Mapping>& mapping) {
    ASSERT_FALSE(mapping && mapping->writable && mapping->executable) << std::hex << address;
  });
}

TEST(RomTables, NoFrameIsWritableThroughOneAddressAndExecutableThroughAnother) {
  std::map<std::uint64_t, std::pair<bool, bool>> frames;
  for_each_page([&](std::uint64_t, const std::optional<Mapping>& mapping) {
    if (!mapping) return;
    auto& [writable, executable] = frames[mapping->physical];
    writable |= mapping->writable;
    executable |= mapping->executable;
  });
  for (const auto& [frame, rights] : frames) ASSERT_FALSE(rights.first && rights.second) << std::hex << frame;
}

TEST(RomTables, OnlyTheCodeOfTheRomIsExecutable) {
  for_each_page([](std::uint64_t address, const std::optional<Mapping>& mapping) {
    ASSERT_EQ(mapping && mapping->executable, address < layout::kConstantsBase) << std::hex << address;
  });
}

TEST(RomTables, OnlyDataStacksDevicesAndNormalRamAreWritable) {
  for_each_page([](std::uint64_t address, const std::optional<Mapping>& mapping) {
    if (!mapping || !mapping->writable || mapping->device) return;
    const bool data = address >= layout::kDataBase && address < layout::kCoreStacksEnd;
    const bool ram = address >= layout::kRamBase && address < layout::kRamBase + layout::kRamSize;
    ASSERT_TRUE(data || ram) << std::hex << address;
    ASSERT_EQ(mapping->secure, data) << std::hex << address;
  });
}

TEST(RomTables, ThePackageIsReadOnlyAndNonSecure) {
  for (std::uint64_t address = layout::kPackageBase; address < layout::kPackageBase + layout::kPackageSize;
       address += 0x1000) {
    const auto mapping = walk(address);
    ASSERT_TRUE(mapping && !mapping->writable && !mapping->executable && !mapping->secure);
    ASSERT_EQ(mapping->physical, address);
  }
}

TEST(RomTables, EverythingIsMappedOneToOneButTheFlashAlias) {
  for_each_page([](std::uint64_t address, const std::optional<Mapping>& mapping) {
    if (!mapping) return;
    const bool alias = address >= layout::kFlashAlias && address < layout::kFlashAlias + 0x20'0000;
    ASSERT_EQ(mapping->physical, alias ? address - layout::kFlashAlias : address) << std::hex << address;
    ASSERT_FALSE(alias && (mapping->writable || mapping->executable));
  });
}

TEST(RomTables, APageBelowEveryStackIsUnmapped) {
  EXPECT_FALSE(walk(layout::kSecureRamBase));
  EXPECT_FALSE(walk(layout::kBootStackBase - 0x1000));
  EXPECT_TRUE(walk(layout::kBootStackBase));
  EXPECT_TRUE(walk(layout::kBootStackEnd - 0x1000));
  for (std::uint64_t core = 0; core < layout::kMaxCores; ++core) {
    const std::uint64_t base = layout::kCoreStacksBase + core * layout::kCoreStackStride;
    EXPECT_FALSE(walk(base)) << core;
    EXPECT_TRUE(walk(base + 0x1000)) << core;
    EXPECT_TRUE(walk(base + layout::kCoreStackStride - 0x1000)) << core;
  }
  EXPECT_FALSE(walk(layout::kCoreStacksEnd));
}

TEST(RomTables, DevicesThatTheRomUsesAreDeviceMemory) {
  for (const std::uint64_t address : {layout::kGicDistributor, layout::kGicRedistributors, layout::kSecureUart,
                                      layout::kSmmu, layout::kSecureGpio,
                                      layout::kGicRedistributors + 15 * layout::kGicRedistributorStride + 0x1'0000}) {
    const auto mapping = walk(address);
    ASSERT_TRUE(mapping) << std::hex << address;
    EXPECT_TRUE(mapping->device && mapping->writable && !mapping->executable);
  }
}

}  // namespace
}  // namespace rom
