// A configuration space as Linux probes one: identity, capabilities, BAR sizing; and accesses that no kernel makes.
#include "firmware/pci/config_space.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace {

using pci::ConfigSpace;
using pci::FunctionDescription;

constexpr FunctionDescription kFunction{
    .vendor = 0x1d0f,
    .device = 0xe4c1,
    .class_code = 0x088000,
    .revision = 3,
    .subsystem_vendor = 0x1234,
    .subsystem = 0x5678,
    .bar_sizes = {0x1000, 0, 0, 0x4000, 0, 0},
    .msix = {.vectors = 2, .table_bar = 0, .table_offset = 0x100, .pending_bar = 3, .pending_offset = 0x800}};
static_assert(pci::is_valid(kFunction));

constexpr std::uint64_t kMsix = 0x80, kExpress = 0x40;

TEST(PciConfigSpace, ShowsWhatLinuxReadsToFindADriver) {
  const ConfigSpace space{kFunction};
  EXPECT_EQ(space.read(0x00, 4), 0xe4c1'1d0fU);
  EXPECT_EQ(space.read(0x00, 2), 0x1d0fU);
  EXPECT_EQ(space.read(0x02, 2), 0xe4c1U);
  EXPECT_EQ(space.read(0x08, 4), 0x0880'0003U);
  EXPECT_EQ(space.read(0x0b, 1), 0x08U);
  EXPECT_EQ(space.read(0x0e, 1), 0U) << "type 0, one function";
  EXPECT_EQ(space.read(0x2c, 4), 0x5678'1234U);
  EXPECT_EQ(space.read(0x30, 4), 0U) << "no ROM";
  EXPECT_EQ(space.read(0x3d, 1), 0U) << "no interrupt pin";
}

// pci_find_capability: from 0x34, each at an offset of its own, until next is 0.
TEST(PciConfigSpace, TheListOfCapabilitiesHoldsExpressAndMsix) {
  const ConfigSpace space{kFunction};
  EXPECT_EQ(space.read(0x06, 2), 0x0010U);
  std::vector<std::uint64_t> ids;
  std::uint64_t at = space.read(0x34, 1);
  while (at != 0 && ids.size() < 8) {
    EXPECT_EQ(at % 4, 0U);
    EXPECT_GE(at, 0x40U);
    ids.push_back(space.read(at, 1));
    at = space.read(at + 1, 1);
  }
  EXPECT_EQ(ids, (std::vector<std::uint64_t>{0x10, 0x11}));
  EXPECT_EQ(space.read(kExpress + 2, 2), 0x0092U) << "version 2, integrated endpoint";
  EXPECT_EQ(space.read(kMsix + 2, 2), 1U) << "two vectors, off";
  EXPECT_EQ(space.read(kMsix + 4, 4), 0x100U) << "table in BAR 0";
  EXPECT_EQ(space.read(kMsix + 8, 4), 0x803U) << "pending bits in BAR 3";
  for (std::uint64_t at_extended = 0x100; at_extended < 0x1000; at_extended += 4) {
    EXPECT_EQ(space.read(at_extended, 4), 0U) << "no extended capability";
  }
}

TEST(PciConfigSpace, WithoutVectorsThereIsNoMsix) {
  constexpr FunctionDescription kPlain{.vendor = 1,
                                       .device = 2,
                                       .class_code = 0,
                                       .revision = 0,
                                       .subsystem_vendor = 0,
                                       .subsystem = 0,
                                       .bar_sizes = {0x1000},
                                       .msix = {}};
  static_assert(pci::is_valid(kPlain));
  ConfigSpace space{kPlain};
  EXPECT_EQ(space.read(kExpress + 1, 1), 0U);
  space.write(kMsix, 4, 0xffff'ffff);
  EXPECT_EQ(space.read(kMsix, 4), 0U);
  EXPECT_FALSE(space.msix_enabled());
}

// pci_read_bases writes all ones and takes the lowest bit that stays for the size.
TEST(PciConfigSpace, BarsAreSizedAndPlaced) {
  ConfigSpace space{kFunction};
  const std::array<std::uint32_t, 6> expected{0xffff'f000, 0, 0, 0xffff'c000, 0, 0};
  for (std::uint64_t bar = 0; bar < 6; ++bar) {
    const std::uint64_t at = 0x10 + 4 * bar;
    EXPECT_EQ(space.read(at, 4), 0U) << "nothing decoded, 32-bit memory";
    space.write(at, 4, 0xffff'ffff);
    EXPECT_EQ(space.read(at, 4), expected[bar]) << bar;
    space.write(at, 4, 0x0f10'4abc);
    EXPECT_EQ(space.read(at, 4), 0x0f10'4abcU & expected[bar]) << bar;
  }
  space.write(0x10, 1, 0xff);
  space.write(0x11, 1, 0x77);
  EXPECT_EQ(space.read(0x10, 4), 0x0f10'7000U) << "byte by byte";
  space.write(0x12, 2, 0x1234);
  EXPECT_EQ(space.read(0x10, 4), 0x1234'7000U);
  space.write(0x30, 4, 0xffff'ffff);
  EXPECT_EQ(space.read(0x30, 4), 0U) << "the ROM's BAR stays away";
}

TEST(PciConfigSpace, MemoryIsDecodedOnlyWhileTheCommandRegisterSaysSo) {
  ConfigSpace space{kFunction};
  space.write(0x10, 4, 0x0f10'0000);
  space.write(0x1c, 4, 0x0f10'4000);
  EXPECT_EQ(space.decode(0x0f10'0000), std::nullopt);
  space.write(0x04, 2, 0xffff);
  EXPECT_EQ(space.read(0x04, 2), 0x0406U) << "memory, bus master, INTx off; no I/O";
  EXPECT_EQ(space.decode(0x0f10'0000), (ConfigSpace::Place{0, 0}));
  EXPECT_EQ(space.decode(0x0f10'0fff), (ConfigSpace::Place{0, 0xfff}));
  EXPECT_EQ(space.decode(0x0f10'1000), std::nullopt);
  EXPECT_EQ(space.decode(0x0f0f'ffff), std::nullopt);
  EXPECT_EQ(space.decode(0x0f10'4000), (ConfigSpace::Place{3, 0}));
  EXPECT_EQ(space.decode(0x0f10'7fff), (ConfigSpace::Place{3, 0x3fff}));
  EXPECT_EQ(space.decode(0x1'0f10'4000), std::nullopt) << "32-bit BARs";
  space.write(0x04, 2, 0x0004);
  EXPECT_EQ(space.decode(0x0f10'0000), std::nullopt);
}

TEST(PciConfigSpace, ABarAtTheTopOfItsSpaceDoesNotWrap) {
  ConfigSpace space{kFunction};
  space.write(0x04, 2, 2);
  space.write(0x10, 4, 0xffff'f000);
  space.write(0x1c, 4, 0x8000'0000);
  EXPECT_EQ(space.decode(0xffff'ffff), (ConfigSpace::Place{0, 0xfff}));
  EXPECT_EQ(space.decode(0x1'0000'0000), std::nullopt);
  EXPECT_EQ(space.decode(0), std::nullopt);
}

TEST(PciConfigSpace, MsixControlKeepsTwoBits) {
  ConfigSpace space{kFunction};
  space.write(kMsix + 2, 2, 0xffff);
  EXPECT_EQ(space.read(kMsix + 2, 2), 0xc001U);
  EXPECT_TRUE(space.msix_enabled());
  EXPECT_TRUE(space.msix_masked());
  space.write(kMsix + 3, 1, 0x80);
  EXPECT_TRUE(space.msix_enabled());
  EXPECT_FALSE(space.msix_masked());
  space.write(kMsix, 2, 0xffff);
  EXPECT_EQ(space.read(kMsix, 4), 0x8001'0011U) << "id and next stay";
}

// Every byte of a space that was written with ones, and then with zeros: only these bits ever change.
TEST(PciConfigSpace, NothingElseCanBeWritten) {
  ConfigSpace written{kFunction};
  const ConfigSpace fresh{kFunction};
  const auto changes = [&](std::uint64_t at) { return written.read(at, 4) ^ fresh.read(at, 4); };
  for (std::uint64_t at = 0; at < pci::kConfigSize; at += 4) written.write(at, 4, 0xffff'ffff);
  for (std::uint64_t at = 0; at < pci::kConfigSize; at += 4) {
    std::uint64_t expected = 0;
    if (at == 0x04) expected = 0x0406;
    if (at == 0x0c || at == 0x3c) expected = 0xff;
    if (at == 0x10) expected = 0xffff'f000;
    if (at == 0x1c) expected = 0xffff'c000;
    if (at == kExpress + 8) expected = 0x000f;
    if (at == kMsix) expected = 0xc000'0000;
    EXPECT_EQ(changes(at), expected) << std::hex << at;
  }
  for (std::uint64_t at = 0; at < pci::kConfigSize; at += 1) written.write(at, 1, 0);
  for (std::uint64_t at = 0; at < pci::kConfigSize; at += 4) EXPECT_EQ(changes(at), 0U) << std::hex << at;
}

TEST(PciConfigSpace, HostileAccessesDoNothing) {
  ConfigSpace space{kFunction};
  EXPECT_EQ(space.read(0, 8), ~std::uint64_t{0});
  EXPECT_EQ(space.read(0, 3), 0xff'ffffU);
  EXPECT_EQ(space.read(1, 2), 0xffffU);
  EXPECT_EQ(space.read(2, 4), 0xffff'ffffU);
  EXPECT_EQ(space.read(0x1000, 4), 0xffff'ffffU);
  EXPECT_EQ(space.read(~std::uint64_t{3}, 4), 0xffff'ffffU);
  EXPECT_EQ(space.read(0, 0), 0U);
  for (const std::uint32_t size : {0U, 3U, 8U, 64U}) space.write(0x04, size, ~std::uint64_t{0});
  space.write(0x05, 2, 0xffff);
  space.write(0x06, 4, 0xffff'ffff);
  space.write(0x1004, 4, 0xffff'ffff);
  EXPECT_EQ(space.read(0x04, 4), 0x0010'0000U);
}

TEST(PciDescription, RefusesWhatNoHeaderCanSay) {
  const auto valid = [](auto change) {
    FunctionDescription function = kFunction;
    change(function);
    return pci::is_valid(function);
  };
  EXPECT_FALSE(valid([](auto& f) { f.vendor = 0xffff; }));
  EXPECT_FALSE(valid([](auto& f) { f.class_code = 0x100'0000; }));
  EXPECT_FALSE(valid([](auto& f) { f.bar_sizes[1] = 0x3000; }));
  EXPECT_FALSE(valid([](auto& f) { f.bar_sizes[1] = 0x800; }));
  EXPECT_FALSE(valid([](auto& f) { f.msix.vectors = pci::kMaxVectors + 1; }));
  EXPECT_FALSE(valid([](auto& f) { f.msix.table_bar = 6; }));
  EXPECT_FALSE(valid([](auto& f) { f.msix.table_bar = 1; })) << "no such BAR";
  EXPECT_FALSE(valid([](auto& f) { f.msix.table_offset = 0xff8; })) << "beyond the BAR";
  EXPECT_FALSE(valid([](auto& f) { f.msix.table_offset = 4; }));
  EXPECT_FALSE(valid([](auto& f) { f.msix.pending_bar = 0, f.msix.pending_offset = 0x118; })) << "inside the table";
}

}  // namespace
