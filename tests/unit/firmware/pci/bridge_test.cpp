// The bus as Linux scans it, and who answers in the memory window.
#include "firmware/pci/bridge.hpp"

#include <gtest/gtest.h>

#include <array>

namespace {

using pci::Bridge;
using pci::Function;
using pci::FunctionDescription;
using pci::Message;

constexpr FunctionDescription describe(std::uint16_t device) {
  return {.vendor = 0x1d0f,
          .device = device,
          .class_code = 0x088000,
          .revision = 1,
          .subsystem_vendor = 0,
          .subsystem = 0,
          .bar_sizes = {0x1000, 0, 0, 0x1000, 0, 0},
          .msix = {.vectors = 2, .table_bar = 0, .table_offset = 0, .pending_bar = 0, .pending_offset = 0x800}};
}
constexpr FunctionDescription kFirst = describe(1), kSecond = describe(2);

class PciBridge : public testing::Test {
 protected:
  static constexpr std::uint64_t kDevice = 8 * 4096;  // from one device to the next
  std::array<Function, 2> functions_{Function{kFirst}, Function{kSecond}};
  Bridge bridge_{functions_};

  void write(std::uint64_t offset, std::uint32_t size, std::uint64_t value) {
    EXPECT_TRUE(bridge_.write_config(offset, size, value).empty());
  }
};

TEST_F(PciBridge, AScanOfTheBusFindsTheFunctionsAndNoMore) {
  for (std::uint64_t number = 0; number < 256; ++number) {
    const std::uint64_t identity = bridge_.read_config(number << 12, 4);
    if (number == 0) {
      EXPECT_EQ(identity, 0x0001'1d0fU);
    } else if (number == 8) {
      EXPECT_EQ(identity, 0x0002'1d0fU);
    } else {
      EXPECT_EQ(identity, 0xffff'ffffU) << number;
    }
  }
}

TEST_F(PciBridge, AbsentFunctionsReadAsOnesAndSwallowWrites) {
  EXPECT_EQ(bridge_.read_config(0x1000, 1), 0xffU);
  EXPECT_EQ(bridge_.read_config(2 * kDevice, 2), 0xffffU);
  EXPECT_EQ(bridge_.read_config(pci::kEcamBytes, 4), 0xffff'ffffU) << "bus 1";
  EXPECT_EQ(bridge_.read_config(~std::uint64_t{3}, 4), 0xffff'ffffU);
  for (const std::uint64_t offset : {std::uint64_t{0x1004}, 2 * kDevice + 4, pci::kEcamBytes + 4, ~std::uint64_t{3}}) {
    write(offset, 4, 0xffff'ffff);
  }
  EXPECT_EQ(bridge_.read_config(4, 2), 0U);
  EXPECT_EQ(bridge_.read_config(kDevice + 4, 2), 0U);
}

TEST_F(PciBridge, MemoryGoesToWhomTheGuestGaveTheAddress) {
  write(0x1c, 4, 0x0f10'0000);
  write(kDevice + 0x1c, 4, 0x0f10'1000);
  EXPECT_EQ(bridge_.decode(0x0f10'0010), std::nullopt);
  write(kDevice + 4, 2, 2);
  EXPECT_EQ(bridge_.decode(0x0f10'0010), std::nullopt) << "device 0 decodes nothing yet";
  EXPECT_EQ(bridge_.decode(0x0f10'1010), (Bridge::Target{1, 3, 0x10}));
  write(4, 2, 2);
  EXPECT_EQ(bridge_.decode(0x0f10'0010), (Bridge::Target{0, 3, 0x10}));
  write(0x1c, 4, 0x0f10'1000);
  EXPECT_EQ(bridge_.decode(0x0f10'1010), (Bridge::Target{0, 3, 0x10})) << "one over the other";
  EXPECT_EQ(bridge_.decode(0x0f10'0010), std::nullopt);
}

// As Linux brings MSI-X up: on and masked as a whole, entries, unmasked, and a message that came meanwhile.
TEST_F(PciBridge, ConfigurationAndTableOfMsixBelongTogether) {
  Function& function = bridge_.function(0);
  write(0x82, 2, 0xc000);
  EXPECT_TRUE(function.write_msix(0, 0, 4, 0x0809'0040).empty());
  EXPECT_TRUE(function.write_msix(0, 8, 4, 224).empty());
  EXPECT_TRUE(function.write_msix(0, 12, 4, 0).empty());
  EXPECT_EQ(function.raise(0), std::nullopt);
  EXPECT_EQ(function.read_msix(0, 0x800, 8), 1U);
  const pci::Messages due = bridge_.write_config(0x82, 2, 0x8000);
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0], (Message{0x0809'0040, 224}));
  EXPECT_EQ(function.raise(0), (Message{0x0809'0040, 224}));
  EXPECT_EQ(bridge_.function(1).raise(0), std::nullopt) << "the other function's is off";
  write(0x80 + 3, 1, 0);
  EXPECT_EQ(function.raise(0), std::nullopt);
}

TEST_F(PciBridge, MsixIsItsPlaceInItsBarAndNoMore) {
  const Function& function = functions_[0];
  EXPECT_TRUE(function.is_msix(0, 0));
  EXPECT_TRUE(function.is_msix(0, 31));
  EXPECT_FALSE(function.is_msix(0, 32));
  EXPECT_FALSE(function.is_msix(0, 0x7ff));
  EXPECT_TRUE(function.is_msix(0, 0x800));
  EXPECT_TRUE(function.is_msix(0, 0x807));
  EXPECT_FALSE(function.is_msix(0, 0x808));
  EXPECT_FALSE(function.is_msix(3, 0));
  EXPECT_TRUE(functions_[0].write_msix(0, 0x800, 8, ~0ULL).empty());
  EXPECT_EQ(function.read_msix(0, 0x800, 8), 0U);
}

}  // namespace
