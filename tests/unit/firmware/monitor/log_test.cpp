// What a partition can make the monitor print, and how much of it.
#include "firmware/monitor/log.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "hal/clock.hpp"
#include "hal/console.hpp"
#include "hal/cpu.hpp"
#include "tests/unit/firmware/monitor/scripted_ticks.hpp"

namespace {

std::string g_console;
constexpr std::uint64_t kTicksPerMillisecond = 50;

}  // namespace

namespace hal {

void console_write(std::string_view text) { g_console += text; }
void relax() {}
std::uint64_t ticks() { return scripted::ticks; }
std::uint64_t ticks_per_second() { return kTicksPerMillisecond * 1000; }
std::uint64_t unix_milliseconds() { return 0; }

}  // namespace hal

namespace {

using base::PartitionId;
using monitor::kLogBudget;
using monitor::kLogRefillMilliseconds;
using monitor::LogLine;

void wait(std::uint64_t milliseconds) { scripted::ticks += milliseconds * kTicksPerMillisecond; }
std::string printed() {
  std::string text;
  text.swap(g_console);
  return text;
}
std::size_t lines_of(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

// Each test begins with full budgets.
class Log : public testing::Test {
 protected:
  Log() {
    wait(kLogRefillMilliseconds * (kLogBudget + 1));
    for (std::uint8_t partition = 1; partition < 4; ++partition) {
      monitor::log_about(PartitionId{partition}, LogLine{}.text("."));
    }
    wait(kLogRefillMilliseconds * (kLogBudget + 1));
    static_cast<void>(printed());
  }
};

TEST_F(Log, APartitionThatFloodsIsCutOff) {
  for (int i = 0; i < 10'000; ++i) monitor::log_about(PartitionId{2}, LogLine{}.text("refused"));
  EXPECT_EQ(lines_of(printed()), kLogBudget);
}

TEST_F(Log, TheOthersKeepTheirBudget) {
  for (int i = 0; i < 100; ++i) monitor::log_about(PartitionId{2}, LogLine{}.text("refused"));
  static_cast<void>(printed());
  monitor::log_about(PartitionId{3}, LogLine{}.text("another's"));
  monitor::log_about(base::kParent, LogLine{}.text("the parent's"));
  monitor::log(LogLine{}.text("the monitor's own"));
  EXPECT_EQ(printed(), "cofferdam: another's\r\ncofferdam: the parent's\r\ncofferdam: the monitor's own\r\n");
}

TEST_F(Log, TheBudgetComesBackLineByLineAndSaysWhatWasLost) {
  for (std::uint32_t i = 0; i < kLogBudget + 7; ++i) monitor::log_about(PartitionId{2}, LogLine{}.text("refused"));
  static_cast<void>(printed());
  wait(kLogRefillMilliseconds - 1);
  monitor::log_about(PartitionId{2}, LogLine{}.text("too early"));
  EXPECT_EQ(printed(), "");
  wait(1);
  monitor::log_about(PartitionId{2}, LogLine{}.text("again"));
  EXPECT_EQ(printed(), "cofferdam: 8 lines about partition 2 were not shown\r\ncofferdam: again\r\n");
  monitor::log_about(PartitionId{2}, LogLine{}.text("and again"));
  EXPECT_EQ(printed(), "") << "one line for each interval";
}

TEST_F(Log, ALongSilenceEarnsNoMoreThanTheBudget) {
  wait(1'000'000'000);
  for (int i = 0; i < 1000; ++i) monitor::log_about(PartitionId{3}, LogLine{}.text("refused"));
  EXPECT_EQ(lines_of(printed()), kLogBudget);
}

TEST_F(Log, ALineIsCutNotOverrun) {
  LogLine line;
  for (int i = 0; i < 100; ++i) line.text("0123456789").hex(~std::uint64_t{0}).number(7);
  EXPECT_EQ(line.view().size(), 200U);
}

TEST_F(Log, NumbersReadAsTheyAre) {
  EXPECT_EQ(LogLine{}.hex(0).text(" ").hex(0x10).text(" ").hex(~std::uint64_t{0}).view(),
            "0x0 0x10 0xffffffffffffffff");
  EXPECT_EQ(LogLine{}.number(0).text(" ").number(~std::uint64_t{0}).view(), "0 18446744073709551615");
  const std::array<std::uint8_t, 3> bytes{0x00, 0xAB, 0xFF};
  EXPECT_EQ(LogLine{}.bytes(bytes).view(), "00abff");
}

TEST_F(Log, AnEnclavesTextComesInLinesWithItsName) {
  monitor::console_from_guest(PartitionId{3}, "hel");
  EXPECT_EQ(printed(), "") << "until the line ends";
  monitor::console_from_guest(PartitionId{2}, "other\n");
  monitor::console_from_guest(PartitionId{3}, "lo\nrest");
  EXPECT_EQ(printed(), "[enclave 0] other\r\n[enclave 1] hello\r\n");
  monitor::console_from_guest(PartitionId{3}, "\n");
  EXPECT_EQ(printed(), "[enclave 1] rest\r\n");
}

TEST_F(Log, AnEnclavesEscapeSequencesDontReachTheTerminal) {
  std::string all;
  for (int character = 0; character < 256; ++character) {
    if (character != '\n') all += static_cast<char>(character);
  }
  monitor::console_from_guest(PartitionId{2}, all + "\n");
  for (const char character : printed()) {
    EXPECT_TRUE((character >= ' ' && character < 0x7f) || character == '\r' || character == '\n');
  }
}

TEST_F(Log, AnEnclavesEndlessLineIsBroken) {
  const std::string endless(1000, 'x');
  monitor::console_from_guest(PartitionId{2}, endless);
  const std::string text = printed();
  EXPECT_GE(lines_of(text), 8U);
  EXPECT_EQ(static_cast<std::size_t>(std::count(text.begin(), text.end(), 'x')) % 120, 0U);
  monitor::console_from_guest(PartitionId{2}, "\n");
  EXPECT_EQ(static_cast<std::size_t>(std::count(text.begin(), text.end(), 'x')) +
                static_cast<std::size_t>(std::count(g_console.begin(), g_console.end(), 'x')),
            1000U);
}

TEST_F(Log, TheParentsTextGoesOutAsItIsButForWhatSteersATerminal) {
  monitor::console_from_guest(base::kParent, "par\x1b[1mtial\a\ttext\r\n\x9b" "end");
  EXPECT_EQ(printed(), "par[1mtial\ttext\r\nend");
}

TEST_F(Log, AnUnfinishedLineEndsWithItsEnclave) {
  const base::PartitionId enclave = base::partition_of(base::SlotIndex{0});
  monitor::console_from_guest(enclave, "secret of one");
  monitor::forget_console(enclave);
  monitor::console_from_guest(enclave, "another\n");
  EXPECT_EQ(printed(), "[enclave 0] another\r\n");
}

}  // namespace
