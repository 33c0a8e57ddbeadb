// What the resident ROM answers to a call, for every kind of caller and argument.
#include "firmware/rom/psci.hpp"

#include <gtest/gtest.h>

namespace rom::psci {
namespace {

constexpr EntryWindow kImage{0x40200000, 0x1000};
constexpr std::uint32_t kFourCores = 0b1111;
constexpr Caller kEl2{true};

Decision call(std::uint64_t function, std::uint64_t x1 = 0, std::uint64_t x2 = 0, std::uint64_t x3 = 0) {
  return decode({function, x1, x2, x3}, kEl2, kImage, kFourCores);
}
void expect_reply(const Decision& decision, Reply reply) {
  EXPECT_EQ(decision.action, Action::kReply);
  EXPECT_EQ(decision.reply, static_cast<std::int64_t>(reply));
}

TEST(Psci, ServesWhatItLists) {
  EXPECT_EQ(call(0x84000000).reply, 0x10001);
  EXPECT_EQ(call(0x84000002).action, Action::kCpuOff);
  EXPECT_EQ(call(0x84000008).action, Action::kSystemOff);
  EXPECT_EQ(call(0x84000009).action, Action::kSystemReset);
  const Decision on = call(0xc4000003, 2, 0x40200ffc, 77);
  EXPECT_EQ(on.action, Action::kCpuOn);
  EXPECT_EQ(on.core, 2u);
  EXPECT_EQ(on.entry, 0x40200ffcu);
  EXPECT_EQ(on.context, 77u);
  const Decision info = call(0xc4000004, 3, 0);
  EXPECT_EQ(info.action, Action::kAffinityInfo);
  EXPECT_EQ(info.core, 3u);
}

TEST(Psci, EveryOtherNumberIsNotSupported) {
  for (const std::uint64_t base : {0x84000000ull, 0xc4000000ull, 0x80000000ull, 0xc5000000ull, 0ull}) {
    for (std::uint64_t low = 0; low < 0x200; ++low) {
      const std::uint64_t number = base + low;
      const bool listed = number == 0x84000000 || number == 0x84000002 || number == 0x84000008 ||
                          number == 0x84000009 || number == 0xc4000003 || number == 0xc4000004;
      if (!listed) expect_reply(call(number), Reply::kNotSupported);
    }
  }
  expect_reply(call(0x1'84000000), Reply::kNotSupported);
  expect_reply(call(~std::uint64_t{0}), Reply::kNotSupported);
}

TEST(Psci, NobodyButEl2IsServed) {
  for (const std::uint64_t function : {0x84000000ull, 0x84000002ull, 0x84000008ull, 0x84000009ull, 0xc4000003ull}) {
    expect_reply(decode({function, 1, kImage.base, 0}, Caller{false}, kImage, kFourCores), Reply::kNotSupported);
  }
}

TEST(Psci, ACoreIsEnteredInsideTheMeasuredImageOnly) {
  for (const std::uint64_t entry : {std::uint64_t{0}, kImage.base - 4, kImage.base + kImage.size, ~std::uint64_t{3},
                                    std::uint64_t{0x0e001000}, kImage.base + 1, kImage.base + 2}) {
    expect_reply(call(0xc4000003, 1, entry), Reply::kInvalidAddress);
  }
  EXPECT_EQ(call(0xc4000003, 1, kImage.base).action, Action::kCpuOn);
}

TEST(Psci, OnlyCoresThatExistHaveNames) {
  for (const std::uint64_t mpidr : {4ull, 15ull, 16ull, 0x100ull, 0x10000ull, 0x100000000ull, 0x80000000ull, ~0ull}) {
    expect_reply(call(0xc4000003, mpidr, kImage.base), Reply::kInvalidParameters);
    expect_reply(call(0xc4000004, mpidr, 0), Reply::kInvalidParameters);
  }
  expect_reply(call(0xc4000004, 1, 1), Reply::kInvalidParameters);
}

TEST(Psci, CoreNumbersFollowTheAffinity) {
  EXPECT_EQ(core_number(0), 0u);
  EXPECT_EQ(core_number(15), 15u);
  EXPECT_EQ(core_number(0x10), layout::kMaxCores);   // Aff0 has 16 values
  EXPECT_EQ(core_number(0x100), layout::kMaxCores);  // 16: more than there is room for
  EXPECT_EQ(core_number(0x10000), layout::kMaxCores);
}

}  // namespace
}  // namespace rom::psci
