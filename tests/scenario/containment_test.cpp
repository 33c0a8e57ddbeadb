// A partition that faults, spins, executes what it does not have, or floods the console: it is answered or stopped within
// bounds, and the others keep their beat.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "hal/registers/esr_el2.hpp"
#include "tests/scenario/whole_machine.hpp"

namespace scenario {
namespace {

namespace esr = hal::registers::esr_el2;
using base::Error;

class Containment : public WholeMachine {
 protected:
  void SetUp() override {
    boot();
    EnclavePlan bad;
    EnclavePlan good;
    good.address = kDonated + 4 * kBlock;
    good.cores = {2};
    good.cid = 17;
    bad_ = run_enclave(parent(), bad);
    good_ = run_enclave(parent(), good);
    ASSERT_TRUE(bad_ != 0 && good_ != 0);
  }
  void expect_others_go_on() {
    EXPECT_TRUE(parent().call(Function::kVersion).ok());
    EXPECT_EQ(state_of(parent(), good_), cofferdam_abi::SlotState::kRunning);
    EXPECT_EQ(ask_nsm(on(2), {0x69, 'G', 'e', 't', 'R', 'a', 'n', 'd', 'o', 'm'}).error, 0);
  }
  [[nodiscard]] std::size_t lines() const {
    const std::string text = machine_->console();
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  std::uint64_t bad_{};
  std::uint64_t good_{};
};

TEST_F(Containment, AnEnclaveThatFaultsForEverIsStopped) {
  const std::size_t before = lines();
  int faults = 0;
  try {
    for (; faults < 10000; ++faults) EXPECT_FALSE(on(1).can_read(Ipa{0x1234'5000}));
  } catch (const host::LeaveGuest&) {
  }
  EXPECT_EQ(faults, 63) << "stopped at the 64th";
  EXPECT_LE(lines() - before, 40U) << "the console has a budget";
  const CallResult info = parent().call(Function::kSlotInfo, {bad_});
  EXPECT_EQ(info.x[1] & 0xFFFF, 0xFFFFU);
  EXPECT_EQ(info.x[1] >> 40, 3U) << "stopped for its faults";
  expect_others_go_on();
  EXPECT_TRUE(end_enclave(parent(), bad_).ok());
}

TEST_F(Containment, AnEnclaveThatExecutesWhatItDoesNotHaveIsStopped) {
  int faults = 0;
  try {
    for (; faults < 10000; ++faults) {
      EXPECT_FALSE(on(1).trap(esr::make(esr::ExceptionClass::kUnknown, 0)));
      on(1).forget_exception();
    }
  } catch (const host::LeaveGuest&) {
  }
  EXPECT_EQ(faults, 63);
  expect_others_go_on();
}

TEST_F(Containment, AParentThatFaultsForEverIsAnsweredForEver) {
  const std::size_t before = lines();
  for (int i = 0; i < 5000; ++i) ASSERT_FALSE(parent().can_read(Ipa{kDonated}));
  EXPECT_LE(lines() - before, 100U);
  expect_others_go_on();
}

TEST_F(Containment, AnEnclaveThatSpinsIsStoppedByTheParent) {
  // Nobody drives core 1: it stays in its guest, as if it looped. The parent's stop takes the core.
  EXPECT_TRUE(parent().call_to_end(Function::kSlotStop, {bad_}).ok());
  EXPECT_FALSE(machine().driven(base::CoreId{1}));
  expect_others_go_on();
}

TEST_F(Containment, EverySystemRegisterEncodingIsAnsweredOrUndefined) {
  // Every encoding that could trap: op0 2 (debug) and 3 (the rest), reads and writes, from the parent.
  std::size_t undefined = 0;
  std::size_t answered = 0;
  for (std::uint32_t op0 = 1; op0 <= 3; ++op0) {
    for (std::uint32_t op1 = 0; op1 < 8; ++op1) {
      for (std::uint32_t crn = 0; crn < 16; ++crn) {
        for (std::uint32_t crm = 0; crm < 16; ++crm) {
          for (std::uint32_t op2 = 0; op2 < 8; ++op2) {
            const std::uint32_t encoding = esr::system_register(op0, op1, crn, crm, op2);
            try {
              (void)parent().read_system_register(encoding);
              ++answered;
            } catch (const host::GuestException& taken) {
              ASSERT_EQ(esr::exception_class(taken.esr), esr::ExceptionClass::kUnknown);
              ++undefined;
            }
            try {
              parent().write_system_register(encoding, ~std::uint64_t{0});
              ++answered;
            } catch (const host::GuestException&) {
              ++undefined;
            }
          }
        }
      }
    }
  }
  EXPECT_EQ(undefined + answered, 2U * 3 * 8 * 16 * 16 * 8);
  EXPECT_GT(undefined, answered);
  expect_others_go_on();
}

TEST_F(Containment, EveryExceptionClassIsAnswered) {
  for (std::uint64_t exception = 0; exception < 64; ++exception) {
    for (const std::uint64_t iss : {std::uint64_t{0}, std::uint64_t{0x1FF'FFFF}, std::uint64_t{0x47}}) {
      const std::uint64_t syndrome = exception << 26 | iss;
      const auto kind = esr::exception_class(syndrome);
      if (kind == esr::ExceptionClass::kHvc64 || kind == esr::ExceptionClass::kSmc64) continue;  // calls
      const std::uint64_t pc = parent().frame().pc;
      static_cast<void>(parent().trap(syndrome, ~std::uint64_t{0}, ~std::uint64_t{0}));
      parent().forget_exception();
      parent().frame().pc = pc;
    }
  }
  static_cast<void>(parent().trap(0, 0, 0, hal::TrapKind::kSystemError));
  parent().forget_exception();
  expect_others_go_on();
}

TEST_F(Containment, AFloodOfRefusedCallsPrintsLittle) {
  const std::size_t before = lines();
  for (int i = 0; i < 20000; ++i) (void)parent().call(Function::kMemoryDonate, {1, 2, 3});
  for (int i = 0; i < 20000; ++i) (void)on(1).call(Function::kMemoryDonate, {1, 2, 3});
  EXPECT_LE(lines() - before, 100U);
  expect_others_go_on();
}

TEST_F(Containment, AnInterruptStormOfNotificationsLosesNothingThatMatters) {
  const CallResult opened = parent().call(Function::kChannelOpen, {bad_, kRam + kBlock, kFrame});
  ASSERT_TRUE(opened.ok());
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(on(1).call(Function::kChannelNotify, {0, opened.x[1]}).ok());
  EXPECT_EQ(parent().call(Function::kChannelPending, {bad_}).x[1], 1U);
  expect_others_go_on();
}

}  // namespace
}  // namespace scenario
