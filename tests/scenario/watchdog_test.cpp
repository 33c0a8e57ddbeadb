// A parent that hangs: its watchdog speaks first, then ends the machine, and no enclave's memory outlives that.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "firmware/board/budget.hpp"
#include "hal/registers/gicv3.hpp"
#include "tests/scenario/whole_machine.hpp"

namespace scenario {
namespace {

using ::testing::HasSubstr;

std::uint64_t base_of(board::View view) {
  const auto& windows = board::kBoard.mmio;
  return std::find_if(windows.begin(), windows.end(), [&](const board::Mmio& each) { return each.parent_view == view; })
      ->base;
}
Ipa control(std::uint64_t offset) { return Ipa{base_of(board::View::kWatchdogControl) + offset}; }

constexpr std::uint64_t kStatus = 0x00, kPeriodLow = 0x08, kPeriodHigh = 0x0c;
constexpr std::uint32_t kPeriod = 1'000'000;
constexpr base::Intid kInterrupt{board::kWatchdogSpi};
constexpr const char* kLastWords = "the parent's watchdog expired; enclaves are gone and scrubbed";

void start_watchdog(GuestCpu cpu) {
  cpu.write_register(control(kPeriodLow), 4, kPeriod);
  cpu.write_register(control(kPeriodHigh), 4, 0);
  cpu.write_register(control(kStatus), 4, 1);
}
void pet(GuestCpu cpu) { cpu.write_register(Ipa{base_of(board::View::kWatchdogRefresh)}, 4, 0); }

void enable_watchdog_interrupt(GuestCpu cpu) {
  namespace distributor = hal::registers::gicv3::distributor;
  const Ipa base{board::kBoard.gic_distributor};
  const auto bank = [&](std::uint64_t offset) { return Ipa{base.value + offset + kInterrupt.value / 32 * 4}; };
  constexpr std::uint32_t kBit = 1U << (kInterrupt.value % 32);
  cpu.write_register(bank(distributor::kGroup), 4, kBit);
  cpu.write_register(bank(distributor::kSetEnable), 4, kBit);
  cpu.write_register(Ipa{base.value + distributor::kControl}, 4, distributor::kEnableGroup1);
}

class Watchdog : public WholeMachine {
 protected:
  // An enclave with a secret in its memory, on core 1.
  void run_enclave_with_secret() {
    ASSERT_NE(run_enclave(parent(), {}), 0U);
    on(1).write64(Ipa{kEnclaveRam + kBlock / 2}, 0x5EC2E7);
  }
  void expect_restart_without_secrets() {
    EXPECT_EQ(machine().power_state(), host::PowerState::kReset);
    EXPECT_THAT(machine().console(), HasSubstr(kLastWords));
    EXPECT_TRUE(machine().memory().is_zero(
        base::FrameRange::trusted(base::frame_of(base::PhysAddr{kDonated}), base::FrameCount{2 * kBlock / kFrame})));
  }
};

TEST_F(Watchdog, AParentThatHangsIsToldAndThenStartedAgainWithoutItsEnclaves) {
  boot();
  enable_watchdog_interrupt(parent());
  run_enclave_with_secret();
  start_watchdog(parent());
  machine().pass_ticks(kPeriod / 2);
  EXPECT_EQ(parent().take_interrupt(), std::nullopt);
  machine().pass_ticks(kPeriod);
  EXPECT_EQ(parent().take_interrupt(), kInterrupt);
  EXPECT_EQ(parent().read_register(control(kStatus), 4), 3U) << "enabled, and the first signal";
  EXPECT_TRUE(machine().driven(base::CoreId{1})) << "the enclave goes on";
  EXPECT_EQ(on(1).read64(Ipa{kEnclaveRam + kBlock / 2}), 0x5EC2E7U);
  machine().pass_ticks(2 * kPeriod);
  expect_restart_without_secrets();
}

TEST_F(Watchdog, AParentThatPetsItGoesOn) {
  boot();
  enable_watchdog_interrupt(parent());
  start_watchdog(parent());
  for (int i = 0; i < 20; ++i) {
    machine().pass_ticks(kPeriod / 2);
    pet(parent());
  }
  EXPECT_EQ(parent().take_interrupt(), std::nullopt);
  EXPECT_EQ(parent().read_register(control(kStatus), 4), 1U);
  // After the first signal as well: that is what the second step leaves time for.
  machine().pass_ticks(2 * kPeriod);
  EXPECT_EQ(parent().take_interrupt(), kInterrupt);
  pet(parent());
  machine().pass_ticks(kPeriod / 2);
  EXPECT_EQ(parent().take_interrupt(), std::nullopt);
  EXPECT_EQ(machine().power_state(), host::PowerState::kOn);
}

TEST_F(Watchdog, OneThatIsOffSaysNothingHoweverLate) {
  boot();
  enable_watchdog_interrupt(parent());
  start_watchdog(parent());
  parent().write_register(control(kStatus), 4, 0);
  for (int i = 0; i < 4; ++i) machine().pass_ticks(10 * kPeriod);
  EXPECT_EQ(parent().take_interrupt(), std::nullopt);
  EXPECT_EQ(machine().power_state(), host::PowerState::kOn);
}

// The core that wrote last keeps the time, whatever becomes of it.
TEST_F(Watchdog, ItRunsOutOnACoreThatIsSwitchedOff) {
  boot();
  run_enclave_with_secret();
  ASSERT_EQ(parent().hvc(cofferdam_abi::kPsciCpuOn, {mpidr_of(2), kRam, 0}).x[0], 0U);
  start_watchdog(on(2));
  EXPECT_THROW((void)on(2).hvc(cofferdam_abi::kPsciCpuOff), host::LeaveGuest);
  machine().pass_ticks(2 * kPeriod);
  EXPECT_EQ(machine().power_state(), host::PowerState::kOn);
  machine().pass_ticks(2 * kPeriod);
  expect_restart_without_secrets();
}

TEST_F(Watchdog, ItRunsOutOnACoreThatIsAnEnclavesByNow) {
  boot();
  ASSERT_EQ(parent().hvc(cofferdam_abi::kPsciCpuOn, {mpidr_of(1), kRam, 0}).x[0], 0U);
  start_watchdog(on(1));
  EXPECT_THROW((void)on(1).hvc(cofferdam_abi::kPsciCpuOff), host::LeaveGuest);
  run_enclave_with_secret();
  enable_watchdog_interrupt(parent());
  machine().pass_ticks(2 * kPeriod);
  EXPECT_EQ(parent().take_interrupt(), kInterrupt);
  EXPECT_EQ(on(1).take_interrupt(), std::nullopt) << "what comes to its core is not for the enclave";
  machine().pass_ticks(2 * kPeriod);
  expect_restart_without_secrets();
}

TEST_F(Watchdog, AnotherCoreThatPetsItTakesItOver) {
  boot();
  ASSERT_EQ(parent().hvc(cofferdam_abi::kPsciCpuOn, {mpidr_of(1), kRam, 0}).x[0], 0U);
  enable_watchdog_interrupt(parent());
  start_watchdog(on(1));
  machine().pass_ticks(kPeriod / 2);
  pet(parent());
  machine().pass_ticks(kPeriod * 3 / 4);  // core 1's time is over, core 0's is not
  EXPECT_EQ(parent().take_interrupt(), std::nullopt);
  machine().pass_ticks(kPeriod);
  EXPECT_EQ(parent().take_interrupt(), kInterrupt);
  machine().pass_ticks(2 * kPeriod);
  EXPECT_EQ(machine().power_state(), host::PowerState::kReset);
}

// Real threads: the time moves while two cores pet at once, and the end comes to cores that are in their guests.
TEST_F(Watchdog, CoresThatPetItAtOnceAndThenHangAreAllEnded) {
  constexpr int kRounds = 300;
  std::atomic<bool> hung{false};
  host::MachineConfig config;
  config.schedule = host::Schedule::kThreads;
  config.handover = support::handover_bytes(board::kBoard.digest);
  machine_ = std::make_unique<host::Machine>(config);
  machine().set_observer([this](const host::Event& event) { automaton_.step(event); });
  machine().set_program(base::kParent, [&](GuestCpu& cpu) {
    while (!hung) pet(cpu);
    for (;;) cpu.relax();
  });
  machine().set_program(base::kParent, kBoot, [&](GuestCpu& cpu) {
    EXPECT_NE(run_enclave(cpu, {}), 0U);
    EXPECT_EQ(cpu.hvc(cofferdam_abi::kPsciCpuOn, {mpidr_of(2), kRam, 0}).x[0], 0U);
    start_watchdog(cpu);
    for (int i = 0; i < kRounds; ++i) pet(cpu);
    hung = true;
    for (;;) cpu.relax();
  });
  machine().set_program(base::partition_of(base::SlotIndex{0}), [](GuestCpu& cpu) {
    cpu.write64(Ipa{kEnclaveRam + kBlock / 2}, 0x5EC2E7);
    for (;;) cpu.relax();
  });
  machine().boot();
  constexpr int kMostMoments = 60'000;
  for (int i = 0; i < kMostMoments && machine().power_state() == host::PowerState::kOn; ++i) {
    machine().pass_ticks(hung ? kPeriod : 100);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  expect_restart_without_secrets();
  const std::string console = machine().console();
  EXPECT_EQ(console.find(kLastWords), console.rfind(kLastWords)) << "it ends once";
}

TEST_F(Watchdog, AnEnclaveHasNone) {
  boot();
  run_enclave_with_secret();
  EXPECT_FALSE(on(1).can_read(control(kStatus)));
  EXPECT_THROW(on(1).write_register(control(kStatus), 4, 1), host::GuestException);
  machine().pass_ticks(10 * kPeriod);
  machine().pass_ticks(10 * kPeriod);
  EXPECT_EQ(machine().power_state(), host::PowerState::kOn);
}

TEST_F(Watchdog, AnAccessThatIsNoWordIsRefusedAndChangesNothing) {
  boot();
  start_watchdog(parent());
  EXPECT_THROW(parent().write_register(control(kStatus), 1, 0), host::GuestException);
  EXPECT_THROW(parent().write_register(control(kStatus), 8, 0), host::GuestException);
  EXPECT_EQ(parent().read_register(control(kStatus), 4), 1U);
}

}  // namespace
}  // namespace scenario
