// The parent's watchdog: what Linux's sbsa_gwdt relies on, and that no write can make it do anything but its two steps.
#include "firmware/emulation/generic_watchdog.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace {

using base::Error;
using emulation::GenericWatchdog;
using Frame = GenericWatchdog::Frame;
using Step = GenericWatchdog::Step;

constexpr std::uint64_t kNow = 0x1'2345'6789;
constexpr std::uint64_t kStatus = 0x00, kPeriodLow = 0x08, kPeriodHigh = 0x0c, kCompareLow = 0x10, kCompareHigh = 0x14,
                        kIdentification = 0xfcc;

std::uint32_t read(const GenericWatchdog& watchdog, std::uint64_t offset, Frame frame = Frame::kControl) {
  const auto value = watchdog.read(frame, offset, 4);
  EXPECT_TRUE(value.ok()) << offset;
  return value.ok() ? *value : ~0U;
}
std::uint64_t compare_of(const GenericWatchdog& watchdog) {
  return read(watchdog, kCompareLow) | std::uint64_t{read(watchdog, kCompareHigh)} << 32;
}
void write(GenericWatchdog& watchdog, std::uint64_t offset, std::uint32_t value, std::uint64_t now = kNow) {
  EXPECT_TRUE(watchdog.write(Frame::kControl, offset, 4, value, now).ok()) << offset;
}
void refresh(GenericWatchdog& watchdog, std::uint64_t now) {
  EXPECT_TRUE(watchdog.write(Frame::kRefresh, 0, 4, 0, now).ok());
}
GenericWatchdog started(std::uint32_t period) {
  GenericWatchdog watchdog;
  write(watchdog, kPeriodLow, period);
  write(watchdog, kStatus, 1);
  return watchdog;
}

TEST(GenericWatchdog, IsOffUntilItIsEnabled) {
  GenericWatchdog watchdog;
  write(watchdog, kPeriodLow, 10);
  EXPECT_EQ(watchdog.deadline(), std::nullopt);
  EXPECT_EQ(watchdog.expire(std::numeric_limits<std::uint64_t>::max()), Step::kNone);
  EXPECT_EQ(read(watchdog, kStatus), 0U);
}

TEST(GenericWatchdog, ADriverFindsRevisionOneInBothFrames) {
  const GenericWatchdog watchdog;
  EXPECT_EQ(read(watchdog, kIdentification), 0x1'0000U);
  EXPECT_EQ(read(watchdog, kIdentification, Frame::kRefresh), 0x1'0000U);
}

TEST(GenericWatchdog, RunsOutInTwoStepsEachAfterThePeriod) {
  GenericWatchdog watchdog = started(100);
  EXPECT_EQ(compare_of(watchdog), kNow + 100);
  EXPECT_EQ(watchdog.deadline(), kNow + 101);
  EXPECT_EQ(watchdog.expire(kNow + 100), Step::kNone);
  EXPECT_EQ(watchdog.expire(kNow + 101), Step::kInterrupt);
  EXPECT_EQ(read(watchdog, kStatus), 3U);
  EXPECT_EQ(watchdog.deadline(), kNow + 202);
  EXPECT_EQ(watchdog.expire(kNow + 201), Step::kNone);
  EXPECT_EQ(watchdog.expire(kNow + 202), Step::kReset);
  EXPECT_EQ(read(watchdog, kStatus), 7U);
  EXPECT_EQ(watchdog.deadline(), std::nullopt) << "there is no third step";
  EXPECT_EQ(watchdog.expire(kNow + 10'000), Step::kNone);
}

TEST(GenericWatchdog, NoticedLateTheSecondStepStillHasItsWholePeriod) {
  GenericWatchdog watchdog = started(100);
  EXPECT_EQ(watchdog.expire(kNow + 100'000), Step::kInterrupt);
  EXPECT_EQ(watchdog.expire(kNow + 100'100), Step::kNone);
  EXPECT_EQ(watchdog.expire(kNow + 100'101), Step::kReset);
}

TEST(GenericWatchdog, ARefreshBeginsAgainAlsoAfterTheFirstStep) {
  GenericWatchdog watchdog = started(100);
  refresh(watchdog, kNow + 90);
  EXPECT_EQ(watchdog.expire(kNow + 190), Step::kNone);
  EXPECT_EQ(watchdog.expire(kNow + 191), Step::kInterrupt);
  refresh(watchdog, kNow + 200);
  EXPECT_EQ(read(watchdog, kStatus), 1U);
  EXPECT_EQ(watchdog.expire(kNow + 301), Step::kInterrupt) << "the first step again, not the second";
}

TEST(GenericWatchdog, WritingPeriodOrStatusRefreshesAndWritingNothingDoesNot) {
  GenericWatchdog watchdog = started(100);
  write(watchdog, kPeriodLow, 50, kNow + 80);
  EXPECT_EQ(compare_of(watchdog), kNow + 130);
  write(watchdog, kStatus, 1, kNow + 100);
  EXPECT_EQ(compare_of(watchdog), kNow + 150);
  write(watchdog, 0x18, 1, kNow + 120);
  write(watchdog, kIdentification, 0, kNow + 120);
  EXPECT_TRUE(watchdog.write(Frame::kRefresh, 4, 4, 1, kNow + 120).ok());
  EXPECT_TRUE(watchdog.write(Frame::kRefresh, kPeriodLow, 4, 1, kNow + 120).ok());
  EXPECT_EQ(compare_of(watchdog), kNow + 150);
  EXPECT_EQ(read(watchdog, kPeriodLow), 50U);
  write(watchdog, kStatus, 0, kNow + 120);
  EXPECT_EQ(watchdog.deadline(), std::nullopt);
}

TEST(GenericWatchdog, ThePeriodHas48Bits) {
  GenericWatchdog watchdog = started(7);
  write(watchdog, kPeriodHigh, 0xffff'ffff);
  EXPECT_EQ(read(watchdog, kPeriodHigh), 0xffffU);
  EXPECT_EQ(compare_of(watchdog), kNow + 0xffff'0000'0007);
}

TEST(GenericWatchdog, TheCompareValueIsTheGuestsToSet) {
  GenericWatchdog watchdog = started(100);
  write(watchdog, kCompareHigh, 0);
  write(watchdog, kCompareLow, 5);
  EXPECT_EQ(watchdog.deadline(), 6U);
  EXPECT_EQ(watchdog.expire(kNow), Step::kInterrupt);
  write(watchdog, kCompareLow, ~0U);
  write(watchdog, kCompareHigh, ~0U);
  EXPECT_EQ(watchdog.deadline(), std::nullopt) << "the counter is never greater than that";
  refresh(watchdog, std::numeric_limits<std::uint64_t>::max() - 10);
  EXPECT_EQ(watchdog.deadline(), std::nullopt) << "nor does the sum wrap into the past";
}

TEST(GenericWatchdog, OnlyOneAlignedWordInsideTheFrameIsAnAccess) {
  GenericWatchdog watchdog = started(100);
  for (const Frame frame : {Frame::kControl, Frame::kRefresh}) {
    for (const std::uint32_t size : {0U, 1U, 2U, 8U, 16U, ~0U}) {
      EXPECT_EQ(watchdog.read(frame, 0, size).error(), Error::kInvalidArgument) << size;
      EXPECT_EQ(watchdog.write(frame, 0, size, 0, kNow + 50).error(), Error::kInvalidArgument) << size;
    }
    for (const std::uint64_t offset :
         {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{0xffe}, GenericWatchdog::kSize, ~std::uint64_t{3}}) {
      EXPECT_EQ(watchdog.read(frame, offset, 4).error(), Error::kInvalidArgument) << offset;
      EXPECT_EQ(watchdog.write(frame, offset, 4, 0, kNow + 50).error(), Error::kInvalidArgument) << offset;
    }
  }
  EXPECT_EQ(compare_of(watchdog), kNow + 100) << "a refused write changes nothing";
}

}  // namespace
