// Several deadlines of a core share its one alarm: each comes once, when it is due, and none hides another.
#include "firmware/monitor/alarms.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "hal/alarm.hpp"
#include "hal/cpu.hpp"
#include "tests/unit/firmware/monitor/scripted_ticks.hpp"

namespace {

base::CoreId g_core{0};
std::map<std::uint8_t, std::uint64_t> g_alarms;  // of the machine, by core

}  // namespace

namespace hal {

base::CoreId current_core() { return g_core; }
void set_alarm(std::uint64_t tick) { g_alarms[g_core.value] = tick; }
void clear_alarm() { g_alarms.erase(g_core.value); }

}  // namespace hal

namespace {

using monitor::Deadline;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<char> g_called;
void watchdog() { g_called.push_back('w'); }
void work() { g_called.push_back('c'); }
void work_again() {
  work();
  monitor::set_deadline(Deadline::kPackets, scripted::ticks + 10, work_again);
}

std::optional<std::uint64_t> alarm() {
  const auto found = g_alarms.find(g_core.value);
  return found == g_alarms.end() ? std::nullopt : std::optional(found->second);
}
std::vector<char> at(std::uint64_t tick) {
  scripted::ticks = tick;
  monitor::handle_alarm();
  return std::exchange(g_called, {});
}

class Alarms : public ::testing::Test {
 protected:
  Alarms() { before_ = scripted::ticks; }
  ~Alarms() override {
    for (const base::CoreId core : {base::CoreId{0}, base::CoreId{1}}) {
      g_core = core;
      monitor::clear_deadline(Deadline::kParentWatchdog);
      monitor::clear_deadline(Deadline::kPackets);
    }
    g_core = base::CoreId{0};
    scripted::ticks = before_;
  }

 private:
  std::uint64_t before_;
};

TEST_F(Alarms, TheEarlierDeadlineIsTheMachinesAndTheLaterFollows) {
  monitor::set_deadline(Deadline::kParentWatchdog, 200, watchdog);
  EXPECT_EQ(alarm(), 200U);
  monitor::set_deadline(Deadline::kPackets, 100, work);
  EXPECT_EQ(alarm(), 100U);
  EXPECT_THAT(at(100), ElementsAre('c'));
  EXPECT_EQ(alarm(), 200U);
  EXPECT_THAT(at(200), ElementsAre('w'));
  EXPECT_EQ(alarm(), std::nullopt) << "a level that nobody lowers would come for ever";
  EXPECT_THAT(at(300), IsEmpty()) << "each comes once";
}

TEST_F(Alarms, WhatIsAskedForAgainIsNotPutOff) {
  monitor::set_deadline_at_latest(Deadline::kPackets, 100, work);
  monitor::set_deadline_at_latest(Deadline::kPackets, 150, work);
  EXPECT_EQ(alarm(), 100U) << "new work must not move the old work on";
  monitor::set_deadline_at_latest(Deadline::kPackets, 80, work);
  EXPECT_EQ(alarm(), 80U);
  EXPECT_THAT(at(80), ElementsAre('c'));
  monitor::set_deadline_at_latest(Deadline::kPackets, 300, work);
  EXPECT_EQ(alarm(), 300U) << "one that came is no longer in the way";
  EXPECT_THAT(at(300), ElementsAre('c'));
}

TEST_F(Alarms, BothAreCalledWhenBothAreDue) {
  monitor::set_deadline(Deadline::kPackets, 100, work);
  monitor::set_deadline(Deadline::kParentWatchdog, 90, watchdog);
  EXPECT_THAT(at(1000), ElementsAre('w', 'c'));
  EXPECT_EQ(alarm(), std::nullopt);
}

TEST_F(Alarms, ComingEarlyCallsNobodyAndLosesNothing) {
  monitor::set_deadline(Deadline::kPackets, 100, work);
  EXPECT_THAT(at(99), IsEmpty());
  EXPECT_EQ(alarm(), 100U);
}

TEST_F(Alarms, ANewDeadlineReplacesTheOldAndClearingOneLeavesTheOther) {
  monitor::set_deadline(Deadline::kParentWatchdog, 100, watchdog);
  monitor::set_deadline(Deadline::kParentWatchdog, 300, watchdog);
  monitor::set_deadline(Deadline::kPackets, 200, work);
  EXPECT_EQ(alarm(), 200U);
  monitor::clear_deadline(Deadline::kPackets);
  EXPECT_EQ(alarm(), 300U);
  EXPECT_THAT(at(299), IsEmpty());
  EXPECT_THAT(at(300), ElementsAre('w'));
}

TEST_F(Alarms, WhoIsCalledMaySetItsOwnAgain) {
  monitor::set_deadline(Deadline::kPackets, 100, work_again);
  monitor::set_deadline(Deadline::kParentWatchdog, 105, watchdog);
  EXPECT_THAT(at(100), ElementsAre('c'));
  EXPECT_EQ(alarm(), 105U);
  EXPECT_THAT(at(105), ElementsAre('w'));
  EXPECT_EQ(alarm(), 110U);
  EXPECT_THAT(at(110), ElementsAre('c'));
}

TEST_F(Alarms, ACoreSeesItsOwnAlone) {
  monitor::set_deadline(Deadline::kPackets, 100, work);
  g_core = base::CoreId{1};
  EXPECT_EQ(alarm(), std::nullopt);
  EXPECT_THAT(at(100), IsEmpty());
  monitor::clear_deadline(Deadline::kPackets);
  g_core = base::CoreId{0};
  EXPECT_EQ(alarm(), 100U);
  EXPECT_THAT(at(100), ElementsAre('c'));
}

}  // namespace
