// An instruction that EL3 keeps for itself looks undefined to whoever executed it, at its own level's vector.
#include "firmware/rom/undefined.hpp"

#include <gtest/gtest.h>

namespace rom {
namespace {

constexpr std::uint64_t kEl0 = 0x0, kEl1t = 0x4, kEl1h = 0x5, kEl2h = 0x9, kAarch32User = 0x10, kAarch32Svc = 0x13;
constexpr std::uint64_t kMasked = 0x3c0;

Trapped trapped_from(std::uint64_t mode) {
  return {.esr = 0x66000000, .spsr = mode, .hcr = 0, .sctlr_el1 = 1 << 23, .sctlr_el2 = 0,
          .vbar_el1 = 0x1000, .vbar_el2 = 0x20000};
}

TEST(Undefined, GoesToTheLevelThatOwnsTheCaller) {
  EXPECT_EQ(make_undefined(trapped_from(kEl0)).pc, 0x1400u);
  EXPECT_EQ(make_undefined(trapped_from(kEl1t)).pc, 0x1000u);
  EXPECT_EQ(make_undefined(trapped_from(kEl1h)).pc, 0x1200u);
  EXPECT_EQ(make_undefined(trapped_from(kEl2h)).pc, 0x20200u);
  EXPECT_EQ(make_undefined(trapped_from(kAarch32User)).pc, 0x1600u);
  EXPECT_EQ(make_undefined(trapped_from(kAarch32Svc)).pc, 0x20600u);
  Trapped host_user = trapped_from(kEl0);
  host_user.hcr = 1 << 27;  // TGE
  EXPECT_EQ(make_undefined(host_user).pc, 0x20400u);
  EXPECT_TRUE(make_undefined(host_user).to_el2);
  EXPECT_FALSE(make_undefined(trapped_from(kEl1h)).to_el2);
}

TEST(Undefined, SaysUnknownReasonAndKeepsTheInstructionLength) {
  EXPECT_EQ(make_undefined(trapped_from(kEl1h)).esr, std::uint64_t{1} << 25);
  Trapped short_instruction = trapped_from(kAarch32User);
  short_instruction.esr = 0x64000000;
  EXPECT_EQ(make_undefined(short_instruction).esr, 0u);
}

TEST(Undefined, ReturnsIntoTheHandlerWithEverythingMasked) {
  const std::uint64_t from_el1 = make_undefined(trapped_from(kEl1h)).spsr;
  EXPECT_EQ(from_el1 & 0x1f, kEl1h);
  EXPECT_EQ(from_el1 & kMasked, kMasked);
  EXPECT_EQ(make_undefined(trapped_from(kEl2h)).spsr & 0x1f, kEl2h);
}

TEST(Undefined, KeepsFlagsAndDropsSingleStepAndBranchType) {
  Trapped trapped = trapped_from(kEl1h);
  trapped.spsr |= 0xf0000000 | 1 << 24 | 1 << 21 | 1 << 20 | 3 << 10 | 1 << 23;
  const std::uint64_t spsr = make_undefined(trapped).spsr;
  EXPECT_EQ(spsr & 0xf1000000, 0xf1000000u);
  EXPECT_EQ(spsr & (1 << 21 | 1 << 20 | 3 << 10 | 1 << 23), 0u);
}

TEST(Undefined, SetsPrivilegedAccessNeverWhereTheKernelAsksForIt) {
  Trapped trapped = trapped_from(kEl0);
  EXPECT_EQ(make_undefined(trapped).spsr >> 22 & 1, 0u);  // SPAN set: leave it
  trapped.sctlr_el1 = 0;
  EXPECT_EQ(make_undefined(trapped).spsr >> 22 & 1, 1u);
}

}  // namespace
}  // namespace rom
