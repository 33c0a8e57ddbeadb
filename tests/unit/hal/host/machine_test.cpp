// The simulated machine alone: translation, caches that linger, SMMU, interrupts, both schedules.
#include "hal/host/machine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>

#include "hal/alarm.hpp"
#include "hal/cpu.hpp"
#include "hal/device_isolation.hpp"
#include "hal/entropy.hpp"
#include "hal/floating_point.hpp"
#include "hal/host/dma_device.hpp"
#include "hal/host/reach.hpp"
#include "hal/interrupts.hpp"
#include "hal/registers/gicv3.hpp"
#include "hal/memory.hpp"
#include "hal/power.hpp"
#include "hal/registers/esr_el2.hpp"
#include "hal/stage2.hpp"
#include "tests/unit/hal/host/scripted_monitor_test.hpp"

namespace {

using base::Access;
using base::FrameCount;
using base::FrameNumber;
using base::FrameRange;
using base::Ipa;
using base::PartitionId;
using hal::AfterTrap;
using hal::TrapFrame;
using hal::TrapKind;
using host::GuestCpu;
using host::Machine;
using host::MachineConfig;
using host::Schedule;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr PartitionId kGuest{1};
constexpr base::CoreId kCore0{0};
constexpr base::CoreId kCore1{1};
constexpr std::uint64_t kRam = 0x4400'0000;
constexpr std::uint64_t kBlock = base::kBlockSize;

FrameRange frames(std::uint64_t address, std::uint64_t count) {
  return FrameRange::trusted(base::frame_of(base::PhysAddr{address}), FrameCount{count});
}

AfterTrap inject_abort(TrapKind, TrapFrame& frame) {
  hal::inject_external_abort(frame, false);
  return AfterTrap::kResume;
}

// A booted machine with one guest that reaches [kRam, kRam + 4 MiB), driven on core 0.
class MachineTest : public ::testing::Test {
 protected:
  void boot(MachineConfig config = {}, Access access = Access::kReadWriteExecute) {
    machine_ = std::make_unique<Machine>(config);
    scripted::core_main = [] {};
    if (!scripted::handle_trap) scripted::handle_trap = inject_abort;
    scripted::monitor_main = [access] {
      EXPECT_TRUE(hal::stage2::create(kGuest).ok());
      EXPECT_TRUE(hal::stage2::map(kGuest, Ipa{kRam}, frames(kRam, 1024), access).ok());
      hal::run_guest({.partition = kGuest, .entry = kRam, .argument = 7});
    };
    machine_->boot();
  }
  // What the monitor would do on core 0: its trap handler runs `work` on the next call.
  void in_monitor(const std::function<void()>& work) {
    scripted::handle_trap = [&](TrapKind, TrapFrame&) {
      work();
      return AfterTrap::kResume;
    };
    (void)machine_->cpu(kCore0).hvc(0);
    scripted::handle_trap = inject_abort;
  }
  void TearDown() override {
    if (machine_) {
      EXPECT_THAT(machine_->violations(), IsEmpty());
      EXPECT_THAT(machine_->failures(), IsEmpty());
    }
    machine_.reset();
    scripted::handle_trap = nullptr;
  }
  std::unique_ptr<Machine> machine_;
};

TEST_F(MachineTest, AGuestReachesWhatItsTablesMapAndNothingElse) {
  boot();
  GuestCpu cpu = machine_->cpu(kCore0);
  EXPECT_EQ(cpu.frame().x[0], 7U);
  cpu.write64(Ipa{kRam + 8}, 0x1122);
  EXPECT_EQ(cpu.read64(Ipa{kRam + 8}), 0x1122U);
  EXPECT_EQ(machine_->memory().load(base::PhysAddr{kRam + 8}), 0x1122U);
  EXPECT_FALSE(cpu.can_read(Ipa{kRam + 2 * kBlock}));
  EXPECT_FALSE(cpu.can_read(Ipa{0x4000'0000}));  // the monitor's memory
  EXPECT_FALSE(cpu.can_read(Ipa{std::uint64_t{1} << 39}));
}

TEST_F(MachineTest, TheTrapSaysWhatTheHardwareWould) {
  namespace esr = hal::registers::esr_el2;
  TrapFrame seen{};
  scripted::handle_trap = [&](TrapKind kind, TrapFrame& frame) {
    EXPECT_EQ(kind, TrapKind::kSynchronous);
    seen = frame;
    return inject_abort(kind, frame);
  };
  boot();
  EXPECT_FALSE(machine_->cpu(kCore0).can_write(Ipa{0x5123'4560}));
  EXPECT_EQ(esr::exception_class(seen.esr), esr::ExceptionClass::kDataAbortLower);
  const esr::DataAbort abort = esr::decode_data_abort(seen.esr);
  EXPECT_EQ(abort.kind, esr::FaultKind::kTranslation);
  EXPECT_FALSE(abort.write);  // can_write reads first
  EXPECT_EQ(abort.bytes, 8);
  EXPECT_EQ(seen.far, 0x5123'4560U);
  EXPECT_EQ(esr::fault_page(seen.hpfar), Ipa{0x5123'4000});
  EXPECT_THROW(machine_->cpu(kCore0).write64(Ipa{0x5123'4560}, 0), host::GuestException);
  EXPECT_TRUE(esr::decode_data_abort(seen.esr).write);
  EXPECT_FALSE(machine_->cpu(kCore0).can_fetch(Ipa{0x5123'4560}));
  EXPECT_EQ(esr::exception_class(seen.esr), esr::ExceptionClass::kInstructionAbortLower);
}

TEST_F(MachineTest, PermissionsHold) {
  boot({}, Access::kReadOnly);
  GuestCpu cpu = machine_->cpu(kCore0);
  EXPECT_TRUE(cpu.can_read(Ipa{kRam}));
  EXPECT_FALSE(cpu.can_write(Ipa{kRam}));
  EXPECT_FALSE(cpu.can_fetch(Ipa{kRam}));
}

TEST_F(MachineTest, ATranslationInUseLingersUntilInvalidatedAndComplete) {
  boot();
  GuestCpu cpu = machine_->cpu(kCore0);
  cpu.write64(Ipa{kRam}, 42);
  in_monitor([] { ASSERT_TRUE(hal::stage2::unmap(kGuest, Ipa{kRam}, frames(kRam, 512)).ok()); });
  EXPECT_EQ(cpu.read64(Ipa{kRam}), 42U) << "the core still believes its TLB";
  EXPECT_FALSE(machine_->stale().empty());
  in_monitor([] { ASSERT_TRUE(hal::stage2::invalidate(kGuest, Ipa{kRam}, FrameCount{512}).ok()); });
  EXPECT_FALSE(cpu.can_read(Ipa{kRam}));
  EXPECT_TRUE(machine_->stale().empty());
  EXPECT_TRUE(cpu.can_read(Ipa{kRam + kBlock}));
}

TEST_F(MachineTest, AnInvalidationCoversItsRangeOnly) {
  boot();
  in_monitor([] {
    ASSERT_TRUE(hal::stage2::unmap(kGuest, Ipa{kRam}, frames(kRam, 512)).ok());
    ASSERT_TRUE(hal::stage2::invalidate(kGuest, Ipa{kRam + 0x1000}, FrameCount{510}).ok());
  });
  const auto stale = machine_->stale().list();
  ASSERT_EQ(stale.size(), 2U);
  EXPECT_EQ(stale[0].frames, frames(kRam, 1));
  EXPECT_EQ(stale[1].frames, frames(kRam + kBlock - 0x1000, 1));
}

TEST_F(MachineTest, WithoutTheBarrierNothingIsGone) {
  MachineConfig config;
  config.sabotage.ignore_barrier = true;
  boot(config);
  GuestCpu cpu = machine_->cpu(kCore0);
  cpu.write64(Ipa{kRam}, 42);
  in_monitor([] {
    ASSERT_TRUE(hal::stage2::unmap(kGuest, Ipa{kRam}, frames(kRam, 512)).ok());
    ASSERT_TRUE(hal::stage2::invalidate(kGuest, Ipa{kRam}, FrameCount{512}).ok());
  });
  EXPECT_EQ(cpu.read64(Ipa{kRam}), 42U);
  EXPECT_FALSE(machine_->stale().empty());
}

TEST_F(MachineTest, SplittingABlockKeepsEveryByteReachable) {
  boot();
  in_monitor([] {
    ASSERT_TRUE(hal::stage2::unmap(kGuest, Ipa{kRam + 0x5000}, frames(kRam + 0x5000, 3)).ok());
    ASSERT_TRUE(hal::stage2::invalidate(kGuest, Ipa{kRam + 0x5000}, FrameCount{3}).ok());
  });
  GuestCpu cpu = machine_->cpu(kCore0);
  for (std::uint64_t page = 0; page < 1024; ++page) {
    EXPECT_EQ(cpu.can_read(Ipa{kRam + page * 0x1000}), page < 5 || page > 7) << page;
  }
  const auto runs = host::walk_partition(*machine_, kGuest);
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0].frames, frames(kRam, 5));
  EXPECT_EQ(runs[1].frames, frames(kRam + 0x8000, 1016));
}

TEST_F(MachineTest, DevicesAbortUntilAttachedAndAfterDetach) {
  boot();
  host::DmaDevice device(*machine_, base::StreamId{8});
  std::array<std::uint8_t, 16> bytes{};
  EXPECT_FALSE(device.read(kRam, bytes));
  in_monitor([] { ASSERT_TRUE(hal::device_isolation::attach(base::StreamId{8}, kGuest).ok()); });
  EXPECT_TRUE(device.read(kRam, bytes));
  EXPECT_FALSE(device.write(0x4000'0000, bytes));
  in_monitor([] {
    const auto fault = hal::device_isolation::take_fault();
    ASSERT_TRUE(fault.has_value());
    EXPECT_EQ(fault->address, 0x4000'0000U);
    EXPECT_EQ(fault->type, 0x10);
    EXPECT_TRUE(fault->write);
    EXPECT_FALSE(hal::device_isolation::take_fault().has_value());
    ASSERT_TRUE(hal::device_isolation::detach(base::StreamId{8}).ok());
  });
  EXPECT_FALSE(device.read(kRam, bytes));
}

TEST_F(MachineTest, WhereDevicesWriteMessagesNoCoreReaches) {
  namespace esr = hal::registers::esr_el2;
  TrapFrame seen{};
  scripted::handle_trap = [&](TrapKind kind, TrapFrame& frame) {
    seen = frame;
    return inject_abort(kind, frame);
  };
  boot({}, Access::kMessages);
  GuestCpu cpu = machine_->cpu(kCore0);
  EXPECT_FALSE(cpu.can_fetch(Ipa{kRam}));
  EXPECT_FALSE(cpu.can_read(Ipa{kRam}));
  EXPECT_THROW(cpu.write64(Ipa{kRam + 0x40}, 1), host::GuestException);
  EXPECT_EQ(esr::decode_data_abort(seen.esr).kind, esr::FaultKind::kAccessFlag);
  EXPECT_EQ(esr::fault_page(seen.hpfar), Ipa{kRam});
  in_monitor([] { ASSERT_TRUE(hal::device_isolation::attach(base::StreamId{8}, kGuest).ok()); });
  host::DmaDevice device(*machine_, base::StreamId{8});
  std::array<std::uint8_t, 4> bytes{224};
  EXPECT_TRUE(device.write(kRam + 0x40, bytes));
  EXPECT_FALSE(device.read(kRam + 0x40, bytes));
}

TEST_F(MachineTest, TheSmmuForgetsOnlyWhenTold) {
  boot();
  in_monitor([] { ASSERT_TRUE(hal::device_isolation::attach(base::StreamId{8}, kGuest).ok()); });
  host::DmaDevice device(*machine_, base::StreamId{8});
  std::array<std::uint8_t, 16> bytes{};
  ASSERT_TRUE(device.read(kRam, bytes));
  in_monitor([] {
    ASSERT_TRUE(hal::stage2::unmap(kGuest, Ipa{kRam}, frames(kRam, 512)).ok());
    ASSERT_TRUE(hal::stage2::invalidate(kGuest, Ipa{kRam}, FrameCount{512}).ok());
  });
  EXPECT_TRUE(device.read(kRam, bytes)) << "cores' invalidation must not reach the SMMU";
  EXPECT_FALSE(machine_->smmu().stale().empty());
  in_monitor([] { ASSERT_TRUE(hal::device_isolation::invalidate(kGuest).ok()); });
  EXPECT_FALSE(device.read(kRam, bytes));
  EXPECT_TRUE(machine_->smmu().stale().empty());
}

// Of a whole GiB, as a parent with much memory has it, one block is donated: a device's other buffers are none of its
// business.
TEST_F(MachineTest, ADeviceGoesOnWhileAnotherBlockOfItsGibibyteLeaves) {
  constexpr std::uint64_t kGibibyte = 1 << 30;
  constexpr std::uint64_t kAt = 0x8000'0000;
  constexpr std::uint64_t kUsed = kAt + kRam % kGibibyte;
  boot();
  in_monitor([] {
    ASSERT_TRUE(hal::device_isolation::attach(base::StreamId{8}, kGuest).ok());
    ASSERT_TRUE(hal::stage2::map(kGuest, Ipa{kAt}, frames(kRam & ~(kGibibyte - 1), kGibibyte / base::kFrameSize),
                                 Access::kReadWriteExecute)
                    .ok());
  });
  host::DmaDevice device(*machine_, base::StreamId{8});
  std::array<std::uint8_t, 16> bytes{};
  ASSERT_TRUE(device.read(kUsed, bytes));
  int events = 0;
  machine_->set_observer([&](const host::Event& event) {
    ++events;
    EXPECT_TRUE(device.read(kUsed, bytes)) << host::to_text(event);
  });
  in_monitor([] {
    ASSERT_TRUE(hal::stage2::unmap(kGuest, Ipa{kUsed + kBlock}, frames(kRam + kBlock, 512)).ok());
    ASSERT_TRUE(hal::stage2::invalidate(kGuest, Ipa{kUsed + kBlock}, FrameCount{512}).ok());
    ASSERT_TRUE(hal::device_isolation::invalidate(kGuest).ok());
  });
  machine_->set_observer(nullptr);
  EXPECT_GT(events, 3);
  EXPECT_FALSE(device.read(kUsed + kBlock, bytes));
}

TEST_F(MachineTest, ADetachedStreamCountsAsAttachedUntilItsEntryIsForgotten) {
  boot();
  in_monitor([] { ASSERT_TRUE(hal::device_isolation::attach(base::StreamId{8}, kGuest).ok()); });
  host::DmaDevice device(*machine_, base::StreamId{8});
  std::array<std::uint8_t, 16> bytes{};
  ASSERT_TRUE(device.read(kRam, bytes));
  machine_->sabotage().ignore_stream_invalidate = true;
  in_monitor([] { ASSERT_TRUE(hal::device_isolation::detach(base::StreamId{8}).ok()); });
  EXPECT_TRUE(device.read(kRam, bytes));
  EXPECT_EQ(host::attached_streams(*machine_).size(), 1U);
}

TEST_F(MachineTest, TheNthFallibleStepFails) {
  boot();
  machine_->faults().arm(1);
  in_monitor([&] {
    EXPECT_TRUE(hal::device_isolation::attach(base::StreamId{8}, kGuest).ok());
    EXPECT_FALSE(hal::device_isolation::detach(base::StreamId{8}).ok());
    EXPECT_TRUE(hal::device_isolation::detach(base::StreamId{8}).ok());
  });
  EXPECT_EQ(machine_->faults().hit(), host::FallibleStep::kStreamDetach);
}

TEST_F(MachineTest, NoTableFrameLeavesTheBlockWhole) {
  MachineConfig config;
  config.table_frames = 2;  // the root and one level-2 table: none to split a block with
  boot(config);
  in_monitor([] {
    const auto status = hal::stage2::unmap(kGuest, Ipa{kRam + 0x1000}, frames(kRam + 0x1000, 1));
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error(), base::Error::kNoTables);
  });
  EXPECT_TRUE(machine_->cpu(kCore0).can_read(Ipa{kRam + 0x1000}));
}

TEST_F(MachineTest, EntropyIsSeededAndCanFail) {
  MachineConfig config;
  config.seed = 5;
  boot(config);
  std::uint64_t first = 0;
  in_monitor([&] { first = hal::entropy_sample().value(); });
  machine_->set_entropy(host::EntropySource::kAbsent);
  in_monitor([&] { EXPECT_EQ(hal::entropy_sample().error(), base::Error::kNoEntropy); });
  machine_.reset();
  boot(config);
  in_monitor([&] { EXPECT_EQ(hal::entropy_sample().value(), first); });
}

TEST_F(MachineTest, LeavingAGuestLeavesNothingInTheCore) {
  boot();
  GuestCpu cpu = machine_->cpu(kCore0);
  cpu.state().floating_point[3] = {0x5EC2E7, 1};
  cpu.state().scratch_el1 = 9;
  cpu.write64(Ipa{kRam}, 1);
  bool scrubbed = false;
  machine_->set_observer([&](const host::Event& event) {
    if (event.kind != host::EventKind::kLeaveGuest) return;
    const host::Core& core = *machine_->cores()[0];
    scrubbed = core.guest.floating_point[3][0] == 0 && core.guest.scratch_el1 == 0 && core.guest.frame.x[0] == 0;
    std::size_t cached = 0;
    core.tlb.for_each([&](auto, auto, auto) { ++cached; });
    EXPECT_EQ(cached, 0U);
  });
  scripted::handle_trap = [](TrapKind, TrapFrame&) { return AfterTrap::kLeave; };
  EXPECT_THROW((void)cpu.hvc(1), host::LeaveGuest);
  EXPECT_TRUE(scrubbed);
  EXPECT_FALSE(machine_->driven(kCore0));
}

TEST_F(MachineTest, ASimdScopeGivesTheGuestItsRegistersBack) {
  boot();
  machine_->cpu(kCore0).state().floating_point[3] = {77, 78};
  in_monitor([&] {
    const hal::FloatingPointScope scope;
    EXPECT_NE(machine_->cores()[0]->guest.floating_point[3][0], 77U);
  });
  EXPECT_EQ(machine_->cpu(kCore0).state().floating_point[3][0], 77U);
}

TEST_F(MachineTest, AKickEntersTheMonitorOnTheOtherCore) {
  for (const Schedule schedule : {Schedule::kDeterministic, Schedule::kThreads}) {
    std::atomic<int> kicks{0};
    scripted::handle_trap = [&](TrapKind kind, TrapFrame& frame) {
      if (kind == TrapKind::kInterrupt) {
        EXPECT_EQ(hal::current_core(), kCore1);
        EXPECT_EQ(hal::interrupts::acknowledge(), hal::interrupts::kKick);
        hal::interrupts::write_list_registers(std::array{hal::registers::gicv3::list_register::make_pending(base::Intid{40})});
        ++kicks;
        return AfterTrap::kResume;
      }
      if (frame.x[0] == 1) hal::power::system_off();
      EXPECT_TRUE(hal::power::start_core(kCore1).ok());
      return AfterTrap::kResume;
    };
    MachineConfig config;
    config.schedule = schedule;
    machine_ = std::make_unique<Machine>(config);
    machine_->set_program(kGuest, kCore0, [&](GuestCpu& cpu) {
      (void)cpu.hvc(0);
      (void)cpu.read64(Ipa{kRam});
      while (cpu.read64(Ipa{kRam + 8}) == 0) cpu.relax();
      hal::interrupts::kick(kCore1);
      while (cpu.read64(Ipa{kRam + 8}) != 40) cpu.relax();
      (void)cpu.hvc(1);
    });
    machine_->set_program(kGuest, kCore1, [&](GuestCpu& cpu) {
      cpu.write64(Ipa{kRam + 8}, 1);
      for (;;) {
        cpu.wait_for_interrupt();
        if (const auto intid = cpu.take_interrupt()) cpu.write64(Ipa{kRam + 8}, intid->value);
      }
    });
    scripted::monitor_main = [] {
      EXPECT_TRUE(hal::stage2::create(kGuest).ok());
      EXPECT_TRUE(
          hal::stage2::map(kGuest, Ipa{kRam}, frames(kRam, 1024), Access::kReadWriteExecute).ok());
      hal::run_guest({.partition = kGuest, .entry = kRam});
    };
    scripted::core_main = [] { hal::run_guest({.partition = kGuest, .entry = kRam}); };
    machine_->boot();
    EXPECT_TRUE(machine_->wait_until_off(60));
    EXPECT_EQ(machine_->power_state(), host::PowerState::kOff);
    machine_->shutdown();
    EXPECT_EQ(kicks, 1);
    EXPECT_THAT(machine_->violations(), IsEmpty());
    EXPECT_THAT(machine_->failures(), IsEmpty());
    machine_.reset();
  }
}

TEST_F(MachineTest, InterruptsGoWhereTheyAreRoutedAndOnlyWhenEnabled) {
  int taken = 0;
  scripted::handle_trap = [&](TrapKind kind, TrapFrame&) {
    if (kind == TrapKind::kInterrupt) {
      EXPECT_EQ(hal::interrupts::acknowledge(), base::Intid{40});
      ++taken;
    }
    return AfterTrap::kResume;
  };
  boot();
  machine_->raise_interrupt(base::Intid{40});
  EXPECT_EQ(taken, 0);
  machine_->enable(base::Intid{40}, kCore0);
  machine_->raise_interrupt(base::Intid{40});
  EXPECT_EQ(taken, 1);
  machine_->disable(base::Intid{40});
  machine_->raise_interrupt(base::Intid{40});
  EXPECT_EQ(taken, 1);
}

TEST_F(MachineTest, AnAlarmComesToTheCoreThatSetItWhenItsTickHasPassed) {
  std::vector<std::pair<std::uint8_t, std::uint32_t>> taken;
  scripted::handle_trap = [&](TrapKind kind, TrapFrame& frame) {
    if (kind == TrapKind::kInterrupt) {
      taken.emplace_back(hal::current_core().value, hal::interrupts::acknowledge().value);
      hal::clear_alarm();
    } else if (frame.x[0] == 0) {
      hal::clear_alarm();
    } else {
      hal::set_alarm(frame.x[0]);
    }
    return AfterTrap::kResume;
  };
  boot();
  const std::uint64_t now = hal::ticks();
  (void)machine_->cpu(kCore0).hvc(now + 100);
  machine_->pass_ticks(99);
  EXPECT_THAT(taken, IsEmpty());
  machine_->pass_ticks(1);
  EXPECT_THAT(taken, ElementsAre(std::pair(std::uint8_t{0}, hal::kAlarm.value)));
  machine_->pass_ticks(1000);
  EXPECT_EQ(taken.size(), 1U) << "it comes once";
  (void)machine_->cpu(kCore0).hvc(now + 2000);
  (void)machine_->cpu(kCore0).hvc(0);
  machine_->pass_ticks(5000);
  EXPECT_EQ(taken.size(), 1U) << "nor when it was cleared";
  (void)machine_->cpu(kCore0).hvc(now);
  (void)machine_->cpu(kCore0).can_read(Ipa{kRam});
  EXPECT_EQ(taken.size(), 2U) << "a tick that has passed: at once";
}

TEST_F(MachineTest, BrokenPreconditionsAreReported) {
  boot();
  in_monitor([] {
    const hal::Window one(frames(kRam, 1));
    const hal::Window two(frames(kRam, 1));
    const hal::Window three(frames(kRam, 1));
  });
  EXPECT_EQ(machine_->violations().size(), 1U);
  in_monitor([] { (void)hal::stage2::unmap(kGuest, Ipa{kRam}, frames(kRam + 0x1000, 1)); });
  EXPECT_EQ(machine_->violations().size(), 2U);
  in_monitor([] { const hal::Window crossing(frames(kRam + kBlock - 0x1000, 2)); });
  EXPECT_EQ(machine_->violations().size(), 3U);
  machine_.reset();
}

TEST_F(MachineTest, ASpinThatNobodyEndsIsADeadlock) {
  boot();
  EXPECT_THROW(in_monitor([] {
    for (;;) hal::relax();
  }),
               host::Deadlock);
}

TEST_F(MachineTest, ATraceReadsBack) {
  std::string trace;
  machine_ = std::make_unique<Machine>();
  machine_->trace_to(&trace);
  std::vector<host::Event> events;
  machine_->set_observer([&](const host::Event& event) { events.push_back(event); });
  scripted::core_main = [] {};
  scripted::monitor_main = [] {
    EXPECT_TRUE(hal::stage2::create(kGuest).ok());
    EXPECT_TRUE(hal::stage2::map(kGuest, Ipa{kRam}, frames(kRam, 513), Access::kReadWrite).ok());
    EXPECT_TRUE(hal::device_isolation::attach(base::StreamId{8}, kGuest).ok());
    hal::scrub_frames(frames(kRam, 2));
    const hal::Window window(frames(kRam, 2));
  };
  machine_->boot();
  EXPECT_GT(events.size(), 10U);
  EXPECT_EQ(host::parse_trace("# a comment\n\n" + trace), events);
  EXPECT_THROW((void)host::parse_event("write 1 2"), std::invalid_argument);
  EXPECT_THROW((void)host::parse_event("dsb 1"), std::invalid_argument);
  EXPECT_THROW((void)host::parse_event("tlbi 1 zz 0"), std::invalid_argument);
  EXPECT_THROW((void)host::parse_event("frobnicate"), std::invalid_argument);
}

TEST(DeterministicSchedule, TheSeedGivesTheOrder) {
  const auto run = [](std::uint64_t seed) {
    std::string order;
    MachineConfig config;
    config.seed = seed;
    config.preempt_one_in = 2;
    Machine machine(config);
    scripted::handle_trap = inject_abort;
    scripted::monitor_main = [] {
      EXPECT_TRUE(hal::stage2::create(kGuest).ok());
      EXPECT_TRUE(hal::stage2::map(kGuest, Ipa{kRam}, frames(kRam, 512), Access::kReadWrite).ok());
      EXPECT_TRUE(hal::power::start_core(kCore1).ok());
      hal::run_guest({.partition = kGuest, .entry = kRam});
    };
    scripted::core_main = [] { hal::run_guest({.partition = kGuest, .entry = kRam}); };
    machine.set_program(kGuest, [&](GuestCpu& cpu) {
      for (int i = 0; i < 20; ++i) {
        cpu.write64(Ipa{kRam}, 1);
        order += static_cast<char>('0' + cpu.core().value);
      }
    });
    machine.boot();
    return order;
  };
  const std::string once = run(1);
  EXPECT_EQ(once.size(), 40U);
  EXPECT_EQ(run(1), once);
  EXPECT_NE(run(2), once);
}

}  // namespace
