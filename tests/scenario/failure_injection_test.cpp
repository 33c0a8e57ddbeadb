// Every step of the machine that can fail is made to fail, at every call; then everything holds, nothing is lost, and the
// call can be made again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "hal/host/reach.hpp"
#include "tests/scenario/whole_machine.hpp"

namespace scenario {
namespace {

using base::Error;

constexpr std::uint64_t kMostSteps = 200;

class FailureInjection : public WholeMachine {
 protected:
  // What the machine shows to anyone: who reaches what, and which stream goes where.
  [[nodiscard]] std::string picture() {
    std::string text;
    for (unsigned partition = 0; partition < 10; ++partition) {
      for (const host::Reach& run : host::walk_partition(machine(), base::PartitionId{static_cast<std::uint8_t>(partition)})) {
        text += std::to_string(partition) + ":" + std::to_string(run.ipa.value) + ">" +
                std::to_string(run.frames.first().value) + "+" + std::to_string(run.frames.count().value) + " ";
      }
    }
    for (const auto& [stream, partition] : host::attached_streams(machine())) {
      text += "s" + std::to_string(stream.value) + ">" + std::to_string(partition.value) + " ";
    }
    return text;
  }

  // Makes the n-th fallible step fail for n = 0, 1, ... until the call meets no failure. Each failed call must leave the
  // picture as it was (unless `moves`: one step of a call that goes on by repetition) and name a machine's error.
  // Answers how many steps there were.
  enum class Leaves : std::uint8_t { kEverything, kProgress };
  std::size_t fail_each_step(const std::function<CallResult()>& call, Leaves leaves = Leaves::kEverything) {
    for (std::uint64_t n = 0; n < kMostSteps; ++n) {
      const std::string before = picture();
      machine().faults().arm(n);
      const CallResult result = call();
      const auto hit = machine().faults().hit();
      machine().faults().disarm();
      EXPECT_EQ(machine().power_state(), host::PowerState::kOn) << machine().console();
      if (!hit) {
        EXPECT_TRUE(result.ok() || result.error() == error_number(Error::kInProgress)) << result.error();
        return n;
      }
      const bool machines_error = result.error() == error_number(Error::kNoTables) ||
                                  result.error() == error_number(Error::kDeviceTimeout) ||
                                  result.error() == error_number(Error::kNoEntropy);
      const bool survived = result.ok() || result.error() == error_number(Error::kInProgress);  // it had another way
      EXPECT_TRUE(machines_error || survived) << name_of(*hit) << " led to " << result.error();
      if (machines_error && leaves == Leaves::kEverything) {
        EXPECT_EQ(picture(), before) << "after " << name_of(*hit) << " failed";
      }
      if (survived) return n + 1;
    }
    ADD_FAILURE() << "no end of steps";
    return kMostSteps;
  }
};

TEST_F(FailureInjection, EveryStepOfEveryCallOfALifetime) {
  boot();
  std::uint64_t uid = 0;
  std::map<std::string, std::size_t> steps;
  EnclavePlan plan;
  steps["allocate"] = fail_each_step([&] {
    const CallResult result = parent().call(Function::kSlotAllocate);
    if (result.ok()) uid = result.x[1];
    return result;
  });
  ASSERT_NE(uid, 0U);
  parent().write(Ipa{kDonated + plan.image_offset}, plan.image);
  steps["donate"] = fail_each_step(
      [&] { return parent().call(Function::kMemoryDonate, {uid, kDonated, 2 * kBlock}); });
  // A range that splits blocks at both ends.
  steps["donate, split"] = fail_each_step(
      [&] { return parent().call(Function::kMemoryDonate, {uid, kDonated + 4 * kBlock + kFrame, kBlock}); });
  steps["reclaim"] = fail_each_step(
      [&] { return parent().call(Function::kMemoryReclaim, {uid, kDonated + 4 * kBlock + kFrame, kBlock}); },
      Leaves::kProgress);
  EXPECT_EQ(parent().read64(Ipa{kDonated + 4 * kBlock + kFrame}), 0U) << "given back, zeroed";
  steps["device"] = fail_each_step([&] { return parent().call(Function::kDeviceAssign, {uid, 8}); });
  steps["device back"] = fail_each_step([&] { return parent().call(Function::kDeviceRelease, {uid, 8}); });
  steps["core"] = fail_each_step([&] { return parent().call(Function::kCoreDonate, {uid, mpidr_of(1)}); });
  steps["channel"] = fail_each_step(
      [&] { return parent().call(Function::kChannelOpen, {uid, kRam + kBlock + kFrame, 3 * kFrame}); });
  for (;;) {
    CallResult last{};
    steps["start"] += fail_each_step([&] {
      last = parent().call(Function::kSlotStart, {uid, 0, plan.cid, plan.image_offset});
      return last;
    });
    if (last.ok()) break;
  }
  GuestCpu enclave = on(1);
  const NsmAnswer answer = ask_nsm(enclave, attestation_request(std::vector<std::uint8_t>(16, 9)));
  EXPECT_EQ(answer.error, 0);
  steps["channel closed"] = fail_each_step([&] { return parent().call(Function::kChannelClose, {uid, 0}); });
  steps["stop"] = fail_each_step([&] { return parent().call(Function::kSlotStop, {uid}); });
  for (;;) {
    CallResult last{};
    steps["free"] += fail_each_step(
        [&] {
          last = parent().call(Function::kSlotFree, {uid});
          return last;
        },
        Leaves::kProgress);
    if (last.ok()) break;
  }
  EXPECT_EQ(parent().call(Function::kSlotCount).x[1], 0U);
  EXPECT_TRUE(machine().memory().is_zero(
      base::FrameRange::trusted(base::frame_of(base::PhysAddr{kDonated}), base::FrameCount{2 * kBlock / kFrame})));
  for (const auto& [call, count] : steps) std::cout << call << ": " << count << " failures injected\n";
  EXPECT_GE(steps["donate"], 4U);
  EXPECT_GE(steps["device"], 5U);
}

TEST_F(FailureInjection, NothingIsLostOverManyFailures) {
  boot();
  const std::size_t tables = machine().tables_in_use();
  for (std::uint64_t n = 0; n < 40; ++n) {
    machine().faults().arm(n);
    const std::uint64_t uid = run_enclave(parent(), {});
    machine().faults().disarm();
    for (std::uint64_t next = parent().call(Function::kSlotNext, {0}).x[1]; next != 0;
         next = parent().call(Function::kSlotNext, {0}).x[1]) {
      ASSERT_TRUE(end_enclave(parent(), next).ok()) << n << " " << uid;
    }
  }
  EXPECT_TRUE(run_enclave(parent(), {}) != 0);
  ASSERT_TRUE(end_enclave(parent(), parent().call(Function::kSlotNext, {0}).x[1]).ok());
  // Blocks that were split stay split (pages are not merged back): a few tables, not one for each failure.
  EXPECT_LE(machine().tables_in_use(), tables + 4);
}

TEST_F(FailureInjection, ADeadSmmuEndsTheMachineRatherThanLeavingItHalfDone) {
  boot();
  const std::uint64_t uid = parent().call(Function::kSlotAllocate).x[1];
  machine().faults().arm(0, host::FaultInjection::Span::kFromThenOn);
  try {
    const CallResult result = parent().call(Function::kDeviceAssign, {uid, 8});
    EXPECT_NE(result.error(), 0);
  } catch (const host::MachineStopped&) {
    EXPECT_EQ(machine().power_state(), host::PowerState::kHalted);
  }
  for (const auto& [stream, partition] : host::attached_streams(machine())) {
    EXPECT_EQ(partition, base::kParent) << "stream " << stream.value;
  }
}

TEST_F(FailureInjection, WithoutEntropyNoBoot) {
  host::MachineConfig config;
  config.entropy = host::EntropySource::kAbsent;
  boot(config);
  EXPECT_EQ(machine().power_state(), host::PowerState::kHalted);
  EXPECT_THAT(machine().console(), ::testing::HasSubstr("PANIC"));
  EXPECT_THAT(machine().console(), ::testing::HasSubstr("entropy"));
}

TEST_F(FailureInjection, AStuckEntropySourceIsNoticed) {
  host::MachineConfig config;
  config.entropy = host::EntropySource::kStuck;
  boot(config);
  EXPECT_EQ(machine().power_state(), host::PowerState::kHalted);
}

TEST_F(FailureInjection, NoHandoverNoBoot) {
  machine_ = std::make_unique<host::Machine>();
  machine_->boot();
  EXPECT_EQ(machine().power_state(), host::PowerState::kHalted);
  EXPECT_THAT(machine().console(), ::testing::HasSubstr("handover"));
}

}  // namespace
}  // namespace scenario
