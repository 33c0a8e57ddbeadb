// The parent's clock: what a PL031 driver relies on, and that a guest can change nothing but its own view.
#include "firmware/emulation/pl031.hpp"

#include <gtest/gtest.h>

namespace {

using base::Error;
using emulation::Pl031;

constexpr std::uint32_t kRealSecond = 1'750'000'000;
constexpr std::uint64_t kData = 0x00, kMatch = 0x04, kLoad = 0x08, kControl = 0x0c, kMask = 0x10, kRaw = 0x14,
                        kMasked = 0x18, kClear = 0x1c;

std::uint32_t read(Pl031& clock, std::uint64_t offset, std::uint32_t now = kRealSecond) {
  const auto value = clock.read(offset, 4, now);
  EXPECT_TRUE(value.ok()) << offset;
  return value.ok() ? *value : ~0U;
}
void write(Pl031& clock, std::uint64_t offset, std::uint32_t value, std::uint32_t now = kRealSecond) {
  EXPECT_TRUE(clock.write(offset, 4, value, now).ok()) << offset;
}

TEST(Pl031View, ADriverFindsTheDeviceByItsIdentification) {
  Pl031 clock;
  std::uint64_t peripheral = 0, cell = 0;
  for (std::uint64_t i = 0; i < 4; ++i) {
    peripheral |= std::uint64_t{read(clock, 0xfe0 + 4 * i)} << (8 * i);
    cell |= std::uint64_t{read(clock, 0xff0 + 4 * i)} << (8 * i);
  }
  EXPECT_EQ(peripheral & 0xfffff, 0x41031U);  // what Linux's amba driver compares
  EXPECT_EQ(cell, 0xb105f00dU);
}

TEST(Pl031View, ShowsTheRealTimeUntilItIsSet) {
  Pl031 clock;
  EXPECT_EQ(read(clock, kControl), 1U);
  EXPECT_EQ(read(clock, kData), kRealSecond);
  EXPECT_EQ(read(clock, kData, kRealSecond + 60), kRealSecond + 60);
}

TEST(Pl031View, SettingItMovesThisViewOnly) {
  Pl031 clock, another;
  write(clock, kLoad, 1000);
  EXPECT_EQ(read(clock, kData), 1000U);
  EXPECT_EQ(read(clock, kLoad), 1000U);
  EXPECT_EQ(read(clock, kData, kRealSecond + 25), 1025U);
  EXPECT_EQ(read(another, kData, kRealSecond + 25), kRealSecond + 25);
  write(clock, kLoad, 0xffff'ffff, kRealSecond + 30);
  EXPECT_EQ(read(clock, kData, kRealSecond + 31), 0U);  // 32 bits, as the device has
}

TEST(Pl031View, StoppingOrWritingReadOnlyRegistersDoesNothing) {
  Pl031 clock;
  write(clock, kControl, 0);
  EXPECT_EQ(read(clock, kControl), 1U);
  for (const std::uint64_t offset :
       {kData, kRaw, kMasked, std::uint64_t{0x20}, std::uint64_t{0xfdc}, std::uint64_t{0xfe0}, std::uint64_t{0xffc}}) {
    write(clock, offset, 0xffff'ffff);
  }
  EXPECT_EQ(read(clock, kData), kRealSecond);
  EXPECT_EQ(read(clock, kRaw), 0U);
  EXPECT_EQ(read(clock, kMasked), 0U);
  EXPECT_EQ(read(clock, 0x20), 0U);
  EXPECT_EQ(read(clock, 0xfe0), 0x31U);
}

TEST(Pl031View, TheAlarmComesOnceAndIsSeenHoweverLateTheGuestLooks) {
  Pl031 clock;
  write(clock, kMatch, kRealSecond + 10);
  EXPECT_EQ(read(clock, kMatch), kRealSecond + 10);
  EXPECT_EQ(read(clock, kRaw, kRealSecond + 9), 0U);
  EXPECT_EQ(read(clock, kRaw, kRealSecond + 10), 1U);
  EXPECT_EQ(read(clock, kMasked, kRealSecond + 10), 0U) << "masked after reset";
  write(clock, kMask, 1, kRealSecond + 10);
  EXPECT_EQ(read(clock, kMask, kRealSecond + 10), 1U);
  EXPECT_EQ(read(clock, kMasked, kRealSecond + 10), 1U);
  write(clock, kClear, 0, kRealSecond + 10);
  EXPECT_EQ(read(clock, kRaw, kRealSecond + 10), 1U);
  write(clock, kClear, 1, kRealSecond + 10);
  EXPECT_EQ(read(clock, kRaw, kRealSecond + 10), 0U);
  EXPECT_EQ(read(clock, kRaw, kRealSecond + 1000), 0U) << "not again for the same second";
  write(clock, kMatch, kRealSecond + 2000, kRealSecond + 1000);
  EXPECT_EQ(read(clock, kRaw, kRealSecond + 90'000), 1U) << "looked at long after";
}

TEST(Pl031View, AnAlarmForThisSecondComesAtOnceAndOneForThePastDoesNot) {
  Pl031 clock;
  write(clock, kMatch, kRealSecond);
  EXPECT_EQ(read(clock, kRaw), 1U);
  Pl031 late;
  write(late, kMatch, kRealSecond - 1);
  EXPECT_EQ(read(late, kRaw, kRealSecond + 100), 0U);
}

TEST(Pl031View, SecondsThatWereJumpedOverRaiseNothing) {
  Pl031 clock;
  write(clock, kMatch, kRealSecond + 50);
  write(clock, kLoad, kRealSecond + 100);
  EXPECT_EQ(read(clock, kRaw, kRealSecond + 1), 0U);
  write(clock, kLoad, kRealSecond + 49, kRealSecond + 2);
  EXPECT_EQ(read(clock, kRaw, kRealSecond + 3), 1U);
}

TEST(Pl031View, OnlyOneAlignedWordInsideThePageIsAnAccess) {
  Pl031 clock;
  write(clock, kLoad, 1000);
  for (const std::uint32_t size : {0U, 1U, 2U, 8U, 16U, ~0U}) {
    EXPECT_EQ(clock.read(kData, size, kRealSecond).error(), Error::kInvalidArgument) << size;
    EXPECT_EQ(clock.write(kLoad, size, 5, kRealSecond).error(), Error::kInvalidArgument) << size;
  }
  for (const std::uint64_t offset : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{0xffe}, Pl031::kSize,
                                     std::uint64_t{1} << 32, ~std::uint64_t{3}}) {
    EXPECT_EQ(clock.read(offset, 4, kRealSecond).error(), Error::kInvalidArgument) << offset;
    EXPECT_EQ(clock.write(offset, 4, 5, kRealSecond).error(), Error::kInvalidArgument) << offset;
  }
  EXPECT_EQ(read(clock, kData), 1000U) << "a refused write changes nothing";
}

}  // namespace
