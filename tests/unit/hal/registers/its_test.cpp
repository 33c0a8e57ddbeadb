// ITS registers and commands against words worked out by hand from Arm IHI 0069.
#include "hal/registers/its.hpp"

#include <gtest/gtest.h>

namespace {

namespace its = hal::registers::its;
namespace redistributor = hal::registers::its::redistributor;
using its::Command;
using its::Memory;

constexpr base::PhysAddr kTable{0x4012'0000};
constexpr base::StreamId kDevice{0x0108};

TEST(Its, TableBases) {
  // Valid, inner write-back allocating, inner shareable, 4 KiB pages, three of them.
  EXPECT_EQ(its::make_table_base(kTable, 0, 3, Memory::kShared), 0xB800'0000'4012'0402U);
  EXPECT_EQ(its::make_table_base(kTable, 2, 1, Memory::kShared), 0xB800'0000'4012'0600U);
  EXPECT_EQ(its::make_table_base(kTable, 0, 1, Memory::kNotCached), 0x8800'0000'4012'0000U);
  EXPECT_EQ(its::make_command_base(kTable, 1, Memory::kShared), 0xB800'0000'4012'0400U);
  EXPECT_EQ(its::make_command_base(kTable, 16, Memory::kNotCached), 0x8800'0000'4012'000FU);
}

TEST(Its, TablesNeverHaveTwoLevels) {
  constexpr std::uint64_t kIndirect = std::uint64_t{1} << 62;
  for (const Memory memory : {Memory::kShared, Memory::kNotCached}) {
    EXPECT_EQ(its::make_table_base(base::PhysAddr{~std::uint64_t{0}}, ~std::uint64_t{0}, 0, memory) & kIndirect, 0U);
  }
}

TEST(Its, RedistributorTables) {
  EXPECT_EQ(redistributor::make_configuration_base(kTable, 14, Memory::kShared), 0x4012'078DU);
  EXPECT_EQ(redistributor::make_configuration_base(kTable, 16, Memory::kNotCached), 0x4012'008FU);
  EXPECT_EQ(redistributor::make_pending_base(kTable, Memory::kShared), 0x4000'0000'4012'0780U);
  EXPECT_EQ(redistributor::make_pending_base(kTable, Memory::kNotCached), 0x4000'0000'4012'0080U);
  EXPECT_EQ(redistributor::PendingAddress::get(redistributor::make_pending_base(kTable, Memory::kShared)), 0x4012U);
}

TEST(Its, AnEnabledLpi) {
  EXPECT_EQ(its::make_enabled_lpi(0xA0), 0xA3);
  EXPECT_EQ(its::make_enabled_lpi(0xFF), 0xFF);
}

TEST(Its, WhatTheTypeSays) {
  // QEMU's ITS: 12-byte entries, 16 bits each of events and devices, targets by number.
  constexpr std::uint64_t kType = 0x001E'0FB1 & ~its::kTypeAddressTargets;
  EXPECT_NE(kType & its::kTypePhysical, 0U);
  EXPECT_EQ(its::TypeEntryBytes::get(kType) + 1, 12U);
  EXPECT_EQ(its::TypeEventBits::get(kType) + 1, 16U);
  EXPECT_EQ(its::TypeHeldCollections::get(0x0500'0000), 5U);
  EXPECT_EQ(its::TypeDeviceBits::get(std::uint64_t{0x13} << 13), 0x13U);
}

TEST(Its, Targets) {
  EXPECT_EQ(its::target_at(base::PhysAddr{0x080C'0000}).word, 0x080C'0000U);
  EXPECT_EQ(its::target_number(3).word, 0x3'0000U);
}

TEST(Its, Commands) {
  EXPECT_EQ(its::make_map_device(kDevice, 9, base::PhysAddr{0x4012'3400}),
            (Command{0x0000'0108'0000'0008, 8, 0x8000'0000'4012'3400, 0}));
  EXPECT_EQ(its::make_unmap_device(kDevice), (Command{0x0000'0108'0000'0008, 0, 0, 0}));
  EXPECT_EQ(its::make_map_collection(2, its::target_number(5)), (Command{0x09, 0, 0x8000'0000'0005'0002, 0}));
  EXPECT_EQ(its::make_map_event(kDevice, 224, base::Intid{8192}, 2),
            (Command{0x0000'0108'0000'000A, 0x0000'2000'0000'00E0, 2, 0}));
  EXPECT_EQ(its::make_move_event(kDevice, 224, 3), (Command{0x0000'0108'0000'0001, 0xE0, 3, 0}));
  EXPECT_EQ(its::make_discard(kDevice, 224), (Command{0x0000'0108'0000'000F, 0xE0, 0, 0}));
  EXPECT_EQ(its::make_sync(its::target_at(base::PhysAddr{0x080C'0000})), (Command{0x05, 0, 0x080C'0000, 0}));
}

}  // namespace
