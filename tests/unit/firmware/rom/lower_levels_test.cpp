// What EL3 hands to EL2, as a function of what the core says it has.
#include "firmware/rom/lower_levels.hpp"

#include <gtest/gtest.h>

namespace rom {
namespace {

constexpr std::uint64_t kBase = 1 << 0 | 1 << 8 | 1 << 9 | 1 << 10;

TEST(LowerLevels, ACoreWithoutExtensionsGetsTheBaseOnly) {
  EXPECT_EQ(scr_el3_value({}), kBase);
  EXPECT_EQ(mdcr_el3_value({}), std::uint64_t{1} << 16);
}

TEST(LowerLevels, WhatExistsBelongsToEl2) {
  IdRegisters id{};
  id.isar1 = 1 << 4;
  EXPECT_EQ(scr_el3_value(id), kBase | 3 << 16) << "pointer authentication, QARMA5";
  id = {};
  id.isar1 = 1 << 8;
  EXPECT_EQ(scr_el3_value(id), kBase | 3 << 16) << "pointer authentication, another algorithm";
  id = {};
  id.isar2 = 1 << 12;
  EXPECT_EQ(scr_el3_value(id), kBase | 3 << 16) << "pointer authentication, QARMA3";
  id = {};
  id.mmfr0 = std::uint64_t{1} << 56;
  EXPECT_EQ(scr_el3_value(id), kBase | std::uint64_t{1} << 27) << "fine-grained traps";
  id = {};
  id.mmfr1 = std::uint64_t{1} << 40;
  EXPECT_EQ(scr_el3_value(id), kBase | std::uint64_t{1} << 38) << "HCRX_EL2";
  id = {};
  id.pfr1 = 2 << 8;
  EXPECT_EQ(scr_el3_value(id), kBase | std::uint64_t{1} << 26) << "allocation tags";
}

TEST(LowerLevels, AFieldBelowItsMinimumGrantsNothing) {
  IdRegisters id{};
  id.pfr0 = std::uint64_t{1} << 56;  // CSV2 without the SCXTNUM registers
  id.pfr1 = 1 << 8;                  // tags without memory for them
  id.mmfr0 = std::uint64_t{1} << 60;
  EXPECT_EQ(scr_el3_value(id), kBase);
}

TEST(LowerLevels, VectorsAreGivenWhereTheyExistAndSmeNever) {
  IdRegisters id{};
  EXPECT_EQ(cptr_el3_value(id), 0U);
  id.pfr0 = std::uint64_t{1} << 32;
  EXPECT_EQ(cptr_el3_value(id), std::uint64_t{1} << 8);
  id.pfr0 = 0;
  id.pfr1 = std::uint64_t{2} << 24;
  EXPECT_EQ(cptr_el3_value(id), 0U) << "SME";
}

// Secure world, interrupts to EL3, SMC off, SME, RNDR traps: never, whatever the core has.
TEST(LowerLevels, WithEveryFieldAtItsMostTheForbiddenBitsStayZero) {
  constexpr std::uint64_t kAll = ~std::uint64_t{0};
  const std::uint64_t scr = scr_el3_value({kAll, kAll, kAll, kAll, kAll, kAll, kAll, kAll, kAll});
  for (const int bit : {1, 2, 3, 7, 12, 13, 18, 40, 41, 48, 62}) EXPECT_EQ(scr >> bit & 1, 0u) << bit;
}

TEST(LowerLevels, TheCycleCounterStopsAtEl3WhereItCan) {
  IdRegisters id{};
  id.dfr0 = 6 << 8;
  EXPECT_EQ(mdcr_el3_value(id) >> 23 & 1, 1u);
  id.dfr0 = 5 << 8;
  EXPECT_EQ(mdcr_el3_value(id) >> 23 & 1, 0u);
  id.dfr0 = 0xf << 8;  // not the architecture's performance monitors
  EXPECT_EQ(mdcr_el3_value(id) >> 23 & 1, 0u);
}

}  // namespace
}  // namespace rom
