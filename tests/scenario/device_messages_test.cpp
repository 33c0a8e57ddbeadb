// Where devices' messages arrive: at the parent's core that they are for, and never at a core that the parent does not have.
#include <gtest/gtest.h>

#include "firmware/board/budget.hpp"
#include "hal/host/reach.hpp"
#include "hal/registers/gicv3.hpp"
#include "tests/scenario/whole_machine.hpp"

namespace scenario {
namespace {

namespace distributor = hal::registers::gicv3::distributor;

constexpr base::StreamId kDisk{0x10};
constexpr base::Intid kMessage = board::kBoard.message_interrupts.first;
constexpr base::CoreId kSecond{1};

class DeviceMessages : public WholeMachine {
 protected:
  void SetUp() override {
    boot();
    const std::uint64_t word = kMessage.value / 32 * 4;
    constexpr std::uint32_t kBit = 1U << (kMessage.value % 32);
    write(distributor::kGroup + word, 4, kBit);
    write(distributor::kConfiguration + kMessage.value / 16 * 4, 4, 2U << (kMessage.value % 16 * 2));
    write(distributor::kSetEnable + word, 4, kBit);
    write(distributor::kControl, 4, distributor::kEnableGroup1);
  }
  void write(std::uint64_t offset, std::size_t size, std::uint64_t value) {
    parent().write_register(Ipa{board::kBoard.gic_distributor + offset}, size, value);
  }
  void route(base::CoreId core) { write(distributor::kRouter + 8 * kMessage.value, 8, mpidr_of(core.value)); }
  void start(base::CoreId core) {
    ASSERT_EQ(parent().hvc(cofferdam_abi::kPsciCpuOn, {mpidr_of(core.value), kRam, 0}).x[0], 0U);
  }
  void stop(base::CoreId core) { EXPECT_THROW((void)on(core.value).hvc(cofferdam_abi::kPsciCpuOff), host::LeaveGuest); }
  [[nodiscard]] base::CoreId arrival() { return machine().messages().deliver(kDisk, kMessage.value)->core; }
  void send() { machine().raise_message(kDisk, kMessage.value); }
};

TEST_F(DeviceMessages, ComeToTheCoreTheyAreRoutedTo) {
  start(kSecond);
  EXPECT_EQ(arrival(), kBoot);
  route(kSecond);
  EXPECT_EQ(arrival(), kSecond);
  send();
  EXPECT_EQ(on(1).take_interrupt(), kMessage);
  EXPECT_EQ(parent().take_interrupt(), std::nullopt);
  route(kBoot);
  EXPECT_EQ(arrival(), kBoot);
  send();
  EXPECT_EQ(parent().take_interrupt(), kMessage);
}

TEST_F(DeviceMessages, LeaveACoreThatGoesOffAndComeBackWithIt) {
  start(kSecond);
  route(kSecond);
  stop(kSecond);
  EXPECT_EQ(arrival(), kBoot);
  send();
  EXPECT_EQ(parent().take_interrupt(), std::nullopt) << "it is not for this core";
  start(kSecond);
  EXPECT_EQ(arrival(), kSecond);
  EXPECT_EQ(on(1).take_interrupt(), kMessage) << "it waited";
}

TEST_F(DeviceMessages, NeverComeToACoreOfAnEnclavesAndOneOnItsWayIsPassedOn) {
  start(kSecond);
  route(kSecond);
  const base::Intid physical = machine().messages().deliver(kDisk, kMessage.value)->physical;
  stop(kSecond);
  const std::uint64_t uid = run_enclave(parent(), {});
  ASSERT_NE(uid, 0U);
  EXPECT_EQ(arrival(), kBoot) << "wherever the parent wants it";
  route(kBoot);
  route(kSecond);
  EXPECT_EQ(arrival(), kBoot);
  route(kBoot);
  machine().make_pending(kSecond, physical);
  machine().settle();
  on(1).relax();
  EXPECT_EQ(on(1).take_interrupt(), std::nullopt);
  EXPECT_EQ(parent().take_interrupt(), kMessage);
  route(kSecond);
  ASSERT_TRUE(end_enclave(parent(), uid).ok());
  EXPECT_EQ(arrival(), kBoot);
  start(kSecond);
  EXPECT_EQ(arrival(), kSecond);
}

TEST_F(DeviceMessages, AreLostWhenTheItsDoesNotAnswerAndNothingElseIs) {
  constexpr std::string_view kSaid = "the ITS does not answer";
  start(kSecond);
  machine().faults().arm(0);
  route(kSecond);
  EXPECT_EQ(machine().faults().hit(), host::FallibleStep::kMessageRoute);
  machine().faults().disarm();
  EXPECT_FALSE(machine().messages().deliver(kDisk, kMessage.value));
  send();
  route(kBoot);
  stop(kSecond);
  EXPECT_EQ(parent().take_interrupt(), std::nullopt);
  const std::string console = machine().console();
  const std::size_t first = console.find(kSaid);
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(console.find(kSaid, first + 1), std::string::npos) << "said once";
  write(distributor::kSetPending + kMessage.value / 32 * 4, 4, 1U << (kMessage.value % 32));
  EXPECT_EQ(parent().take_interrupt(), kMessage) << "the controller works, and the parent goes on";
}

// The distributor's first page: a core's accesses are answered by the model, a device's writes go to the ITS
// (GITS_TRANSLATER).
TEST_F(DeviceMessages, AreWrittenWhereNoCoreReachesAndNothingElseOfTheItsIsReached) {
  constexpr std::uint64_t kIts = board::kBoard.message_interrupts.its_base;
  constexpr std::uint64_t kSetSpi = 0x40;
  const auto all = host::everything_reachable(machine());
  std::size_t reached = 0;
  for (const host::Reach& run : all) {
    if (run.frames.end().value <= kIts / kFrame || run.frames.first().value >= (kIts + board::kItsBytes) / kFrame)
      continue;
    ++reached;
    EXPECT_EQ(run.kind, host::ReachKind::kTable);
    EXPECT_EQ(run.partition, base::kParent);
    EXPECT_EQ(run.ipa.value, board::kBoard.gic_distributor);
    EXPECT_EQ(run.frames.address().value, kIts + board::kItsMessages);
    EXPECT_EQ(run.frames.count().value, 1U);
    EXPECT_EQ(run.access, base::Access::kMessages);
  }
  EXPECT_EQ(reached, 1U);
  EXPECT_FALSE(parent().can_read(Ipa{kIts + board::kItsMessages}));
  write(kSetSpi, 4, kMessage.value);
  EXPECT_EQ(parent().take_interrupt(), kMessage);
}

}  // namespace
}  // namespace scenario
