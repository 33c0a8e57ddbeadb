// Every rule of board::validate, broken once in the tables of board host, is found at the entry that breaks it.
#include "firmware/board/validate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "board_tables.hpp"
#include "firmware/hypercall/abi.hpp"
#include "hal/registers/stage2_control.hpp"

namespace {

using board::Board;
using board::Owner;
using board::Part;
using board::Problem;
using board::Rule;
using board::View;

// A board of its own that a test may change.
struct Tables {
  std::vector<board::MemoryRegion> memory{board::kBoard.memory.begin(), board::kBoard.memory.end()};
  std::vector<board::Core> cores{board::kBoard.cores.begin(), board::kBoard.cores.end()};
  std::vector<board::Mmio> windows{board::kBoard.mmio.begin(), board::kBoard.mmio.end()};
  std::vector<board::Device> devices{board::kBoard.devices.begin(), board::kBoard.devices.end()};
  std::vector<board::Interrupt> interrupts{board::kBoard.interrupts.begin(), board::kBoard.interrupts.end()};
  Board board = board::kBoard;

  Board& whole() {
    board.memory = memory;
    board.cores = cores;
    board.mmio = windows;
    board.devices = devices;
    board.interrupts = interrupts;
    return board;
  }
  board::Mmio& window(std::string_view name) {
    for (board::Mmio& candidate : windows) {
      if (candidate.name == name) return candidate;
    }
    ADD_FAILURE() << "no window " << name;
    return windows.front();
  }
};

std::vector<Problem> problems(Tables& tables) {
  std::vector<Problem> found;
  board::check(tables.whole(), [&](const Problem& problem) { found.push_back(problem); });
  return found;
}

struct Breakage {
  const char* name;
  Rule rule;
  Part part;
  std::size_t index;
  std::function<void(Tables&)> apply;
};

constexpr std::uint64_t kMiB = 1 << 20;

const std::vector<Breakage>& breakages() {
  static const std::vector<Breakage> all = {
      {"SizeZero", Rule::kSizeZero, Part::kMemory, 0, [](Tables& t) { t.memory[0].size = 0; }},
      {"BaseUnaligned", Rule::kBaseUnaligned, Part::kMemory, 0, [](Tables& t) { t.memory[0].base += 4096; }},
      {"WindowUnaligned", Rule::kBaseUnaligned, Part::kWindows, 2, [](Tables& t) { t.windows[2].base += 16; }},
      {"SizeUnaligned", Rule::kSizeUnaligned, Part::kMonitor, 0, [](Tables& t) { t.board.monitor.size += 4096; }},
      {"RangeWraps", Rule::kRangeWraps, Part::kDevices, 0,
       [](Tables& t) { t.devices[0].mmio_base = ~std::uint64_t{0xFFF}, t.devices[0].mmio_size = 8192; }},
      {"EndsAtTheTop", Rule::kRangeWraps, Part::kMemory, 0,
       [](Tables& t) {
         t.memory[0] = {"ram", 0ULL - 2 * kMiB, 2 * kMiB};
       }},
      {"BeyondStage2", Rule::kBeyondStage2, Part::kWindows, 6,
       [](Tables& t) { t.windows[6].base = (std::uint64_t{1} << 39) - kMiB, t.windows[6].size = 2 * kMiB; }},
      {"Overlap", Rule::kOverlap, Part::kDevices, 1,
       [](Tables& t) { t.devices[1].mmio_base = t.windows[6].base, t.devices[1].mmio_size = 4096; }},
      {"MonitorReachableByWindow", Rule::kMonitorReachable, Part::kWindows, 6,
       [](Tables& t) { t.windows[6].base = t.board.monitor.base + t.board.monitor.size - 4096; }},
      {"MonitorReachableAsMemory", Rule::kMonitorReachable, Part::kMemory, 0,
       [](Tables& t) { t.memory[0].base = t.board.monitor.base - 62 * kMiB, t.board.parent_entry = t.memory[0].base; }},
      {"MonitorReachableByDevice", Rule::kMonitorReachable, Part::kDevices, 0,
       [](Tables& t) { t.devices[0].mmio_base = t.board.monitor.base, t.devices[0].mmio_size = 4096; }},
      {"NameTwice", Rule::kNameTwice, Part::kWindows, 3, [](Tables& t) { t.windows[3].name = t.windows[0].name; }},
      {"TooManyCores", Rule::kTooMany, Part::kCores, board::kMaxBoardCores,
       [](Tables& t) {
         while (t.cores.size() <= board::kMaxBoardCores) t.cores.push_back({t.cores.size(), false});
       }},
      {"MemoryMissing", Rule::kMemoryMissing, Part::kMemory, 0, [](Tables& t) { t.memory.clear(); }},
      {"MemoryOrder", Rule::kMemoryOrder, Part::kMemory, 1,
       [](Tables& t) {
         t.memory.push_back({"lower", t.memory[0].base - 4 * kMiB, 2 * kMiB});
       }},
      {"HoleTooLarge", Rule::kHoleTooLarge, Part::kMemory, 1,
       [](Tables& t) {
         t.memory.push_back({"far", 0x1'0000'0000, 2 * kMiB});
       }},
      {"MonitorTooSmall", Rule::kMonitorTooSmall, Part::kMonitor, 0,
       [](Tables& t) { t.board.monitor.size = 4 * kMiB; }},
      {"TooManyTables", Rule::kTooManyTables, Part::kMemory, 0,
       [](Tables& t) { t.memory[0].size = std::uint64_t{64} << 30; }},
      {"OneCore", Rule::kCoreMissing, Part::kCores, 0, [](Tables& t) { t.cores.resize(1); }},
      {"MpidrInvalid", Rule::kMpidrInvalid, Part::kCores, 2, [](Tables& t) { t.cores[2].mpidr = 0x8000'0002; }},
      {"MpidrTwice", Rule::kMpidrTwice, Part::kCores, 3, [](Tables& t) { t.cores[3].mpidr = t.cores[1].mpidr; }},
      {"BootCoreMissing", Rule::kBootCoreMissing, Part::kCores, 0, [](Tables& t) { t.cores[0].boot = false; }},
      {"BootCoreTwice", Rule::kBootCoreTwice, Part::kCores, 2, [](Tables& t) { t.cores[2].boot = true; }},
      {"WindowAssignable", Rule::kWindowAssignable, Part::kWindows, 6,
       [](Tables& t) { t.windows[6].owner = Owner::kAssignable; }},
      {"UnguardedDma", Rule::kUnguardedDma, Part::kWindows, 6, [](Tables& t) { t.windows[6].bypasses_smmu = true; }},
      {"ConsoleNotMonitors", Rule::kNotMonitorWindow, Part::kConsole, 0,
       [](Tables& t) { t.window("uart0").owner = Owner::kParent; }},
      {"ConsoleWithoutRom", Rule::kConsoleWithoutRom, Part::kConsole, 0,
       [](Tables& t) { t.board.uart_base = 0, t.board.protections.secure_rom = false; }},
      {"ControllerNotMonitors", Rule::kNotMonitorWindow, Part::kController, 0,
       [](Tables& t) { t.window("gicr").owner = Owner::kParent; }},
      {"SmmuNotMonitors", Rule::kNotMonitorWindow, Part::kSmmu, 0,
       [](Tables& t) { t.window("smmu").owner = Owner::kParent; }},
      {"ClockNotMonitors", Rule::kNotMonitorWindow, Part::kClock, 0, [](Tables& t) { t.board.rtc_base = 0x0900'2000; }},
      {"ViewNotMonitors", Rule::kViewNotMonitors, Part::kWindows, 6,
       [](Tables& t) { t.windows[6].parent_view = View::kPl031; }},
      {"ViewTwice", Rule::kViewTwice, Part::kWindows, 2,
       [](Tables& t) { t.windows[1].parent_view = t.windows[2].parent_view = View::kPl031; }},
      {"ViewWithoutClock", Rule::kViewWithoutClock, Part::kWindows, 2,
       [](Tables& t) { t.windows[2].parent_view = View::kPl031, t.board.rtc_base = 0; }},
      {"CommandDeviceWithoutMemory", Rule::kCommandDeviceHalf, Part::kCommandDevice, 0,
       [](Tables& t) { t.window("command-memory").parent_view = View::kNone; }},
      {"CommandDeviceWithoutBus", Rule::kCommandDeviceHalf, Part::kCommandDevice, 0,
       [](Tables& t) { t.window("command-bus").parent_view = View::kNone; }},
      {"CommandBusSmall", Rule::kCommandBusSize, Part::kCommandDevice, 0,
       [](Tables& t) { t.window("command-bus").size = kMiB / 2; }},
      {"CommandMemorySmall", Rule::kCommandMemoryInvalid, Part::kCommandDevice, 0,
       [](Tables& t) { t.window("command-memory").size = 0x8000; }},
      {"CommandMemoryNoPowerOfTwo", Rule::kCommandMemoryInvalid, Part::kCommandDevice, 0,
       [](Tables& t) { t.window("command-memory").size = 0x3'0000; }},
      {"CommandMemoryUnaligned", Rule::kCommandMemoryInvalid, Part::kCommandDevice, 0,
       [](Tables& t) { t.window("command-memory").base += 0x1000; }},
      {"CommandMemoryHigh", Rule::kCommandMemoryInvalid, Part::kCommandDevice, 0,
       [](Tables& t) { t.window("command-memory").base = std::uint64_t{1} << 32; }},
      {"VsockWithoutInterrupt", Rule::kVsockContradiction, Part::kVsock, 0,
       [](Tables& t) { t.board.vsock_interrupt = base::Intid{0}; }},
      {"VsockWithoutWindow", Rule::kVsockContradiction, Part::kVsock, 0,
       [](Tables& t) { t.window("vsock").parent_view = View::kNone; }},
      {"VsockTakesDoorbell", Rule::kVsockTakesDoorbell, Part::kVsock, 0,
       [](Tables& t) { t.board.vsock_interrupt = board::kDoorbell; }},
      {"VsockInterruptTwice", Rule::kIntidTwice, Part::kVsock, 0,
       [](Tables& t) { t.board.vsock_interrupt = t.devices[0].interrupt; }},
      {"VsockInterruptPrivate", Rule::kIntidOutOfRange, Part::kVsock, 0,
       [](Tables& t) { t.board.vsock_interrupt = base::Intid{31}; }},
      {"ItsNotMonitors", Rule::kNotMonitorWindow, Part::kMessages, 0,
       [](Tables& t) {
         t.board.message_interrupts = {t.windows[6].base, base::Intid{200}, 8, true};
       }},
      {"ItsTooSmall", Rule::kItsTooSmall, Part::kMessages, 0,
       [](Tables& t) {
         t.board.message_interrupts = {t.window("uart0").base, base::Intid{200}, 8, true};
       }},
      {"NoMessages", Rule::kMessagesOutOfRange, Part::kMessages, 0,
       [](Tables& t) {
         t.board.message_interrupts = {t.window("smmu").base, base::Intid{200}, 0, true};
       }},
      {"MessagesBelowSpis", Rule::kMessagesOutOfRange, Part::kMessages, 0,
       [](Tables& t) {
         t.board.message_interrupts = {t.window("smmu").base, base::Intid{31}, 1, true};
       }},
      {"MessagesAboveSpis", Rule::kMessagesOutOfRange, Part::kMessages, 0,
       [](Tables& t) {
         t.board.message_interrupts = {t.window("smmu").base, base::Intid{1019}, 2, true};
       }},
      {"MessagesWrap", Rule::kMessagesOutOfRange, Part::kMessages, 0,
       [](Tables& t) {
         t.board.message_interrupts = {t.window("smmu").base, base::Intid{64}, 0xffff'ffff, true};
       }},
      {"MessagesTaken", Rule::kMessagesTaken, Part::kMessages, 0,
       [](Tables& t) {
         t.board.message_interrupts = {t.window("smmu").base, base::Intid{t.interrupts[0].intid.value - 1}, 2, true};
       }},
      {"WatchdogWithoutRefresh", Rule::kWatchdogHalf, Part::kWindows, 7,
       [](Tables& t) { t.window("watchdog-refresh").parent_view = View::kNone; }},
      {"WatchdogWithoutControl", Rule::kWatchdogHalf, Part::kWindows, 8,
       [](Tables& t) { t.window("watchdog").parent_view = View::kNone; }},
      {"WatchdogTwice", Rule::kViewTwice, Part::kWindows, 8,
       [](Tables& t) { t.window("watchdog-refresh").parent_view = View::kWatchdogControl; }},
      {"WatchdogsInterruptIsADevices", Rule::kWatchdogTaken, Part::kDevices, 1,
       [](Tables& t) { t.devices[1].interrupt = base::Intid{board::kWatchdogSpi}; }},
      {"WatchdogsInterruptIsNamed", Rule::kWatchdogTaken, Part::kInterrupts, 0,
       [](Tables& t) { t.interrupts[0].intid = base::Intid{board::kWatchdogSpi}; }},
      {"WatchdogsInterruptIsAMessage", Rule::kWatchdogTaken, Part::kMessages, 0,
       [](Tables& t) {
         t.board.message_interrupts = {t.window("smmu").base, base::Intid{1010}, 9, true};
       }},
      {"ControllerUnaligned", Rule::kControllerUnaligned, Part::kController, 0,
       [](Tables& t) { t.board.gic_distributor = t.window("gicd").base += 0x1000; }},
      {"StrideInvalid", Rule::kStrideInvalid, Part::kController, 0,
       [](Tables& t) { t.board.gic_redistributor_stride = 0; }},
      {"RedistributorsTooSmall", Rule::kRedistributorsTooSmall, Part::kController, 0,
       [](Tables& t) { t.window("gicr").size = 0x7'F000; }},
      {"DeviceWithoutSmmu", Rule::kDeviceWithoutSmmu, Part::kDevices, 0,
       [](Tables& t) { t.board.smmu_base = 0, t.board.smmu_stream_bits = 0, t.board.protections.smmu = false; }},
      {"DeviceWithoutRegisters", Rule::kDeviceUnmovable, Part::kDevices, 0,
       [](Tables& t) { t.devices[0].mmio_base = 0, t.devices[0].mmio_size = 0; }},
      {"DeviceAboveChannels", Rule::kDeviceUnmovable, Part::kDevices, 1,
       [](Tables& t) { t.devices[1].mmio_base = t.board.channel_ipa_base - 4096, t.devices[1].mmio_size = 8192; }},
      {"StreamTwice", Rule::kStreamTwice, Part::kDevices, 2,
       [](Tables& t) { t.devices[2].stream = t.devices[0].stream; }},
      {"StreamTooLarge", Rule::kStreamTooLarge, Part::kDevices, 1,
       [](Tables& t) { t.devices[1].stream = base::StreamId{1 << 16}; }},
      {"StreamBitsInvalid", Rule::kStreamBitsInvalid, Part::kSmmu, 0, [](Tables& t) { t.board.smmu_stream_bits = 33; }},
      {"SmmuContradiction", Rule::kSmmuContradiction, Part::kProtections, 0,
       [](Tables& t) { t.board.protections.smmu = false; }},
      {"IntidTooSmall", Rule::kIntidOutOfRange, Part::kInterrupts, 0,
       [](Tables& t) { t.interrupts[0].intid = base::Intid{31}; }},
      {"IntidTooLarge", Rule::kIntidOutOfRange, Part::kDevices, 1,
       [](Tables& t) { t.devices[1].interrupt = base::Intid{1020}; }},
      {"IntidTwice", Rule::kIntidTwice, Part::kInterrupts, 1,
       [](Tables& t) { t.interrupts[1].intid = t.devices[0].interrupt; }},
      {"NoEnclaves", Rule::kEnclavesOutOfRange, Part::kEnclaves, 0, [](Tables& t) { t.board.limits.enclaves = 0; }},
      {"TooManyEnclaves", Rule::kEnclavesOutOfRange, Part::kEnclaves, 0,
       [](Tables& t) { t.board.limits.enclaves = 63; }},
      {"Regions", Rule::kRegionsOutOfRange, Part::kEnclaves, 0,
       [](Tables& t) { t.board.limits.regions_per_enclave = 4097; }},
      {"Channels", Rule::kChannelsOutOfRange, Part::kEnclaves, 0,
       [](Tables& t) { t.board.limits.channels_per_enclave = 17; }},
      {"EnclaveMemory", Rule::kEnclaveMemoryInvalid, Part::kEnclaves, 0,
       [](Tables& t) { t.board.limits.enclave_memory_min = 128 * kMiB + 4096; }},
      {"ScrubChunkUneven", Rule::kScrubChunkInvalid, Part::kEnclaves, 0,
       [](Tables& t) { t.board.limits.scrub_chunk = 3 * 4096; }},
      {"ScrubChunkTooLarge", Rule::kScrubChunkInvalid, Part::kEnclaves, 0,
       [](Tables& t) { t.board.limits.scrub_chunk = 4 * kMiB; }},
      {"EnclaveRam", Rule::kEnclaveRamInvalid, Part::kEnclaves, 0,
       [](Tables& t) { t.board.enclave_ram_base = board::kStage2Top - 62 * kMiB; }},
      {"ChannelBase", Rule::kChannelsInvalid, Part::kEnclaves, 0,
       [](Tables& t) { t.board.channel_ipa_base = t.board.enclave_ram_base - 30 * kMiB; }},
      {"ParentEntryUnaligned", Rule::kParentEntryInvalid, Part::kParent, 0,
       [](Tables& t) { t.board.parent_entry += 4; }},
      {"ParentEntryOutside", Rule::kParentEntryInvalid, Part::kParent, 0,
       [](Tables& t) { t.board.parent_entry = t.memory[0].base + t.memory[0].size; }},
  };
  return all;
}

class BrokenRule : public testing::TestWithParam<Breakage> {};

TEST_P(BrokenRule, IsFoundWhereItIsBroken) {
  Tables tables;
  ASSERT_TRUE(problems(tables).empty());
  GetParam().apply(tables);
  const auto found = problems(tables);
  const bool hit = std::any_of(found.begin(), found.end(), [&](const Problem& problem) {
    return problem.rule == GetParam().rule && problem.part == GetParam().part && problem.index == GetParam().index;
  });
  EXPECT_TRUE(hit) << found.size() << " other problems";
  EXPECT_NE(board::validate(tables.whole()), board::kValid);
}

INSTANTIATE_TEST_SUITE_P(All, BrokenRule, testing::ValuesIn(breakages()),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

TEST(Validate, EveryRuleIsTested) {
  std::set<Rule> tested;
  for (const Breakage& breakage : breakages()) tested.insert(breakage.rule);
  for (auto rule = Rule::kSizeZero; rule <= Rule::kParentEntryInvalid;
       rule = static_cast<Rule>(static_cast<std::uint8_t>(rule) + 1)) {
    EXPECT_TRUE(tested.contains(rule)) << "rule number " << static_cast<int>(rule);
  }
}

TEST(Validate, WithoutAWatchdogItsInterruptIsAnybodys) {
  Tables tables;
  tables.window("watchdog").parent_view = tables.window("watchdog-refresh").parent_view = View::kNone;
  tables.devices[1].interrupt = base::Intid{board::kWatchdogSpi};
  EXPECT_TRUE(problems(tables).empty());
}

// The compiler refuses changed tables: validate is a constant expression.
constexpr Problem with_two_boot_cores() {
  std::array<board::Core, 2> cores{{{0, true}, {1, true}}};
  Board changed = board::kBoard;
  changed.cores = cores;
  return board::validate(changed);
}
static_assert(with_two_boot_cores().rule == Rule::kBootCoreTwice && with_two_boot_cores().index == 1);

// Windows of the monitor may lie in its own memory: nobody else reaches either. They are an overlap all the same.
TEST(Validate, TheMonitorsOwnOverlapIsNoReach) {
  Tables tables;
  tables.window("rtc").base = tables.board.monitor.base;
  const auto found = problems(tables);
  const auto has = [&](Rule rule) {
    return std::any_of(found.begin(), found.end(), [&](const Problem& problem) { return problem.rule == rule; });
  };
  EXPECT_TRUE(has(Rule::kOverlap));
  EXPECT_FALSE(has(Rule::kMonitorReachable));
}

TEST(Validate, TheDoorbellIsThatOfThePublishedCalls) {
  EXPECT_EQ(board::kDoorbell.value, cofferdam_abi::kDoorbell);
}

TEST(Validate, Stage2OfTheRulesIsStage2OfTheMachine) { EXPECT_EQ(board::kStage2Bits, hal::registers::kIpaBits); }

}  // namespace
