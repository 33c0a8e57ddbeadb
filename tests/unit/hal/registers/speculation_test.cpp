// Which cores are said not to need firmware's help: a wrong "immune" would leave a guest without its own mitigation.
#include "hal/registers/speculation.hpp"

#include <gtest/gtest.h>

namespace hal::registers::speculation {
namespace {

constexpr std::uint64_t kCortexA72 = 0x410F'D083;
constexpr std::uint64_t kCortexA53 = 0x410F'D034;
constexpr std::uint64_t kSomebodyElses53 = 0x4E0F'D034;

constexpr Identification core(std::uint64_t midr, std::uint64_t csv2, std::uint64_t ssbs = 0, std::uint64_t ecbhb = 0) {
  return {midr, csv2 << 56, ssbs << 4, ecbhb << 60};
}

TEST(Speculation, ACoreThatSaysNothingIsNotImmune) {
  for (const std::uint64_t midr : {kCortexA72, kSomebodyElses53}) {
    EXPECT_FALSE(immune_to_branch_targets(core(midr, 0)));
    EXPECT_FALSE(immune_to_store_bypass(core(midr, 0)));
    EXPECT_FALSE(immune_to_branch_history(core(midr, 0)));
  }
}

TEST(Speculation, EachRegisterSpeaksOfItsOwnFault) {
  EXPECT_TRUE(immune_to_branch_targets(core(kCortexA72, 1)));
  EXPECT_FALSE(immune_to_branch_history(core(kCortexA72, 1))) << "targets alone are tagged";
  EXPECT_FALSE(immune_to_branch_history(core(kCortexA72, 2)));
  EXPECT_TRUE(immune_to_branch_history(core(kCortexA72, 3)));
  EXPECT_TRUE(immune_to_branch_history(core(kCortexA72, 1, 0, 1)));
  EXPECT_FALSE(immune_to_store_bypass(core(kCortexA72, 3, 0, 1)));
  EXPECT_TRUE(immune_to_store_bypass(core(kCortexA72, 0, 1)));
  EXPECT_FALSE(immune_to_branch_targets(core(kCortexA72, 0, 2, 1)));
}

TEST(Speculation, ACoreThatRunsInOrderHasNoneOfThem) {
  EXPECT_TRUE(immune_to_branch_targets(core(kCortexA53, 0)));
  EXPECT_TRUE(immune_to_store_bypass(core(kCortexA53, 0)));
  EXPECT_TRUE(immune_to_branch_history(core(kCortexA53, 0)));
}

}  // namespace
}  // namespace hal::registers::speculation
