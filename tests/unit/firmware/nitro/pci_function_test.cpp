// The device as lspci would show it, on its bridge.
#include "firmware/nitro/pci_function.hpp"

#include <gtest/gtest.h>

#include <array>

#include "firmware/pci/bridge.hpp"

namespace {

TEST(NitroPciFunction, IsWhatLinuxsDriverBindsTo) {
  std::array<pci::Function, 1> functions{pci::Function{nitro::kPciFunction}};
  pci::Bridge bridge{functions};
  EXPECT_EQ(bridge.read_config(0, 4), 0xe4c1'1d0fU);
  EXPECT_EQ(bridge.read_config(0x82, 2) & 0x7ff, 1U) << "two vectors, which pci_msix_vec_count adds one to";
  EXPECT_TRUE(bridge.write_config(0x1c, 4, 0xffff'ffff).empty());
  EXPECT_EQ(bridge.read_config(0x1c, 4), 0xffff'f000U) << "BAR 3: 4 KiB";
  EXPECT_TRUE(bridge.write_config(0x1c, 4, 0x0f10'1000).empty());
  EXPECT_TRUE(bridge.write_config(0x04, 2, 0x0002).empty());
  EXPECT_EQ(bridge.decode(0x0f10'1100), (pci::Bridge::Target{0, nitro::CommandDevice::kBarIndex, 0x100}));
  EXPECT_FALSE(functions[0].is_msix(nitro::CommandDevice::kBarIndex, 0)) << "the registers are the device's own";
}

}  // namespace
