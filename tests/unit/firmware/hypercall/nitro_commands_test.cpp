// The commands of the Nitro Enclaves device, carried out by the real plans on a world without a machine.
#include "firmware/hypercall/nitro_commands.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <vector>

#include "tests/unit/firmware/hypercall/world.hpp"

namespace {

using base::Error;
using hypercall::NitroCommand;
using hypercall::NitroStep;
using nitro::Command;
using nitro::Request;
using nitro::ReturnCode;
using world::kCidB;
using world::kCoreOfB;
using world::kFree;
using world::kMiB;
using world::kParentCore;
using world::kRam;
using world::World;

constexpr std::uint64_t kEnoughMemory = 64 * kMiB;

// Carries a command out as the monitor does, up to its reply.
class Executor {
 public:
  explicit Executor(World& world) : world_(world) {}

  nitro::Reply run(const Request& request) {
    calls.clear();
    NitroCommand command;
    NitroStep step = command.begin(request, world_.state());
    for (int i = 0; i < 1000; ++i) {
      if (step.kind == NitroStep::Kind::kReply) return step.reply;
      calls.push_back(step.call);
      if (step.waits) ++waited;
      const partition::Reply reply = before_call ? before_call(step.call) : partition::Reply{};
      step = command.next(world_.state(), reply.status != 0 ? reply : make(step.call));
    }
    ADD_FAILURE() << "a command does not end";
    return {};
  }
  std::size_t count(world::Function function) const {
    std::size_t found = 0;
    for (const hypercall::Call& call : calls) found += call.function == static_cast<std::uint32_t>(function) ? 1 : 0;
    return found;
  }

  std::function<partition::Reply(const hypercall::Call&)>
      before_call;  // a reply that is not 0 comes instead of the call
  hypercall::LoadOutcome outcome{hypercall::LoadOutcome::kReady};
  Error load_error{Error::kBadImage};
  std::vector<hypercall::Call> calls;
  int waited{};

  bool sound{true};  // false: the test has made a state that no calls lead to on so small a board

 private:
  partition::Reply make(const hypercall::Call& call) {
    const hypercall::Transition done = commit(world_.plan(kParentCore, call));
    const base::SlotIndex slot = done.work.slot;
    switch (done.work.kind) {
      case world::WorkKind::kScrub:
        return commit(hypercall::plan_scrubbed(world_.state(), slot)).reply;
      case world::WorkKind::kLoad:
        return load_step(slot);
      default:
        break;
    }
    const bool stops = call.function == static_cast<std::uint32_t>(world::Function::kSlotStop);
    if (stops && ++stop_steps_ % 2 == 0) {
      for (std::uint8_t i = 0; i < world_.state().slots.size(); ++i) {
        world_.cores_leave(base::partition_of(base::SlotIndex{i}));
      }
    }
    return done.reply;
  }
  // The third step is the last.
  partition::Reply load_step(base::SlotIndex slot) {
    const auto now = ++load_steps_ % 3 == 0 ? outcome : hypercall::LoadOutcome::kMore;
    return commit(hypercall::plan_load_step(world_.state(), slot, now, base::Ipa{world::kIpa},
                                            base::Ipa{world::kIpa + kMiB}, load_error, 0))
        .reply;
  }
  hypercall::Transition commit(hypercall::Transition transition) {
    if (sound) return world_.commit(transition);
    hypercall::commit(world_.state(), transition);
    return transition;
  }

  World& world_;
  int load_steps_{};
  int stop_steps_{};
};

// One slot with a core and 64 MiB, as Linux's driver has it before NE_START_ENCLAVE.
class NitroCommands : public testing::Test {
 protected:
  NitroCommands() {
    uid_ = executor_.run({.command = Command::kSlotAllocate}).slot_uid;
    EXPECT_NE(uid_, 0U);
  }
  void fill() {
    EXPECT_EQ(add_memory(kRam, kEnoughMemory), ReturnCode::kSuccess);
    EXPECT_EQ(add_vcpu(2), ReturnCode::kSuccess);
  }
  ReturnCode add_memory(std::uint64_t address, std::uint64_t size) {
    return executor_.run({.command = Command::kAddMemory, .slot_uid = uid_, .address = address, .size = size}).rc;
  }
  ReturnCode add_vcpu(std::uint32_t vcpu) {
    return executor_.run({.command = Command::kAddVcpu, .slot_uid = uid_, .vcpu = vcpu}).rc;
  }
  ReturnCode add_bulk(std::uint64_t vcpus) {
    return executor_.run({.command = Command::kAddBulkVcpus, .slot_uid = uid_, .vcpus = vcpus}).rc;
  }
  nitro::Reply start(std::uint64_t cid, std::uint64_t flags = 0) {
    return executor_.run({.command = Command::kStart, .slot_uid = uid_, .cid = cid, .flags = flags});
  }
  nitro::Reply on_slot(Command command) { return executor_.run({.command = command, .slot_uid = uid_}); }
  // A refusal that left everything as it was, but for the counter of refused calls.
  template <typename Refused>
  void unchanged(ReturnCode expected, Refused refused) {
    const auto before = picture();
    EXPECT_EQ(refused(), expected);
    EXPECT_EQ(picture(), before);
  }
  std::string picture() {
    const std::uint64_t counted = world_.state().counters.refused_calls;
    world_.state().counters.refused_calls = 0;
    std::string text = world_.picture();
    world_.state().counters.refused_calls = counted;
    return text;
  }
  enclave::Slot& slot() { return world_.state().slots[0]; }

  World world_;
  Executor executor_{world_};
  std::uint64_t uid_{};
};

TEST_F(NitroCommands, AnEnclavesWholeLife) {
  const nitro::Reply allocated = executor_.run({.command = Command::kSlotAllocate});
  EXPECT_EQ(allocated.rc, ReturnCode::kSuccess);
  EXPECT_EQ(allocated.memory_regions, board::kBoard.limits.regions_per_enclave) << "Linux adds no more than these";
  EXPECT_GT(allocated.slot_uid, uid_);
  EXPECT_EQ(executor_.run({.command = Command::kSlotCount}), (nitro::Reply{.slot_count = 2}));
  fill();
  const nitro::Reply waiting = on_slot(Command::kSlotInfo);
  EXPECT_EQ(waiting, (nitro::Reply{.slot_uid = uid_, .memory_regions = 1, .memory_size = kEnoughMemory, .vcpus = 1}));

  EXPECT_EQ(start(16, 1), (nitro::Reply{.slot_uid = uid_, .cid = 16}));
  EXPECT_EQ(executor_.count(world::Function::kSlotStart), 3U) << "as often as it is in progress";
  EXPECT_EQ(executor_.calls[0].arguments, (std::array<std::uint64_t, 6>{uid_, 1, 16, 0x80'0000, 0, 0}));
  nitro::Reply running = waiting;
  running.cid = 16;
  running.flags = 1;
  running.state = nitro::SlotState::kRunning;
  EXPECT_EQ(on_slot(Command::kSlotInfo), running);
  EXPECT_EQ(executor_.run({.command = Command::kGetSlot, .cid = 16}), running);

  EXPECT_EQ(on_slot(Command::kSlotFree).rc, ReturnCode::kBusy) << "it runs";
  EXPECT_EQ(on_slot(Command::kStop), (nitro::Reply{.slot_uid = uid_}));
  EXPECT_GE(executor_.count(world::Function::kSlotStop), 2U) << "until every core has left";
  EXPECT_GE(executor_.waited, 1) << "and the executor is told to let them";
  nitro::Reply stopped = running;
  stopped.state = nitro::SlotState::kStopped;
  EXPECT_EQ(on_slot(Command::kSlotInfo), stopped);
  EXPECT_EQ(on_slot(Command::kStop).rc, ReturnCode::kSuccess) << "Linux stops what stopped by itself";

  EXPECT_EQ(on_slot(Command::kSlotFree), (nitro::Reply{.slot_uid = uid_}));
  EXPECT_GE(executor_.count(world::Function::kSlotFree), kEnoughMemory / board::kBoard.limits.scrub_chunk);
  EXPECT_EQ(on_slot(Command::kSlotInfo).rc, ReturnCode::kNoEntry);
  EXPECT_EQ(executor_.run({.command = Command::kSlotCount}).slot_count, 1U);
}

// Linux's own hypercalls would show the same.
TEST_F(NitroCommands, SlotInfoSaysWhatTheCallSays) {
  fill();
  (void)start(0);
  const auto [status, values] = world_.call(world::Function::kSlotInfo, uid_);
  const nitro::Reply reply = on_slot(Command::kSlotInfo);
  EXPECT_EQ(values[0] & 0xffff, static_cast<std::uint16_t>(reply.state));
  EXPECT_EQ(values[0] >> 16 & 0xffff, reply.flags);
  EXPECT_EQ(values[1], reply.vcpus | reply.memory_regions << 32);
  EXPECT_EQ(values[2], reply.memory_size);
}

TEST_F(NitroCommands, NothingIsAskedOfASlotThatIsNot) {
  for (const Command command : {Command::kStart, Command::kStop, Command::kSlotFree, Command::kAddMemory,
                                Command::kAddVcpu, Command::kSlotInfo, Command::kAddBulkVcpus}) {
    unchanged(ReturnCode::kNoEntry, [&] {
      return executor_
          .run({.command = command, .slot_uid = uid_ + 1, .address = kRam, .size = 2 * kMiB, .vcpus = 1, .vcpu = 1})
          .rc;
    });
  }
}

TEST_F(NitroCommands, StartRefusesWhatLinuxWouldRefuse) {
  unchanged(ReturnCode::kNoMemoryRegions, [&] { return start(0).rc; });
  EXPECT_EQ(add_memory(kRam, kEnoughMemory - 2 * kMiB), ReturnCode::kSuccess);
  unchanged(ReturnCode::kMemoryBelowMinimum, [&] { return start(0).rc; });
  EXPECT_EQ(add_memory(kRam + kEnoughMemory - 2 * kMiB, 2 * kMiB), ReturnCode::kSuccess);
  unchanged(ReturnCode::kNoVcpus, [&] { return start(0).rc; });
  EXPECT_EQ(add_vcpu(1), ReturnCode::kSuccess);
  for (const std::uint64_t flags : {2ULL, 3ULL, 1ULL << 63}) {
    unchanged(ReturnCode::kInvalidFlag, [&] { return start(0, flags).rc; });
  }
  for (const std::uint64_t cid : {1ULL, 2ULL, 3ULL, 0xFFFF'FFFEULL, 0xFFFF'FFFFULL, 0x1'0000'0000ULL, ~0ULL}) {
    unchanged(ReturnCode::kInvalidCid, [&] { return start(cid).rc; });
  }
  EXPECT_EQ(start(4).rc, ReturnCode::kSuccess);
  unchanged(ReturnCode::kNotInInitState, [&] { return start(5).rc; });
}

// Another enclave loads with cid 4, one that has stopped had cid 5.
class NitroCommandsWithOthers : public NitroCommands {
 protected:
  NitroCommandsWithOthers() {
    fill();
    executor_.sound = false;
    (void)world_.call(world::Function::kSlotAllocate);
    (void)world_.call(world::Function::kSlotAllocate);
    loading().state = enclave::SlotState::kLoading;
    loading().cid = 4;
    world_.state().slots[2].state = enclave::SlotState::kStopped;
    world_.state().slots[2].cid = 5;
  }
  enclave::Slot& loading() { return world_.state().slots[1]; }
};

TEST_F(NitroCommandsWithOthers, ATakenCidIsRefused) {
  unchanged(ReturnCode::kInvalidCid, [&] { return start(4).rc; });
  EXPECT_EQ(start(5).cid, 5U) << "asked for by number, and nobody uses it";
}

TEST_F(NitroCommandsWithOthers, ZeroChoosesTheLowestThatNobodyHas) { EXPECT_EQ(start(0).cid, 6U); }

TEST_F(NitroCommandsWithOthers, AnotherStartThatTakesTheChosenCidMakesItChooseAgain) {
  executor_.before_call = [&](const hypercall::Call& call) {
    if (call.arguments[2] == 6) loading().cid = 6;
    return partition::Reply{};
  };
  EXPECT_EQ(start(0).cid, 4U);
  EXPECT_EQ(slot().cid, 4U);
}

TEST_F(NitroCommandsWithOthers, AChoiceThatIsAlwaysTakenEnds) {
  executor_.before_call = [&](const hypercall::Call&) {
    return partition::Reply{world::status_of(Error::kInvalidArgument), {}};
  };
  EXPECT_EQ(start(0).rc, ReturnCode::kInvalidCid);
  EXPECT_LE(executor_.calls.size(), world_.state().slots.size() + 1);
}

TEST(NitroCommandsCid, GetSlotFindsTheOneThatRuns) {
  World world = World::with_two_enclaves();
  Executor executor{world};
  const auto get = [&](std::uint64_t cid) { return executor.run({.command = Command::kGetSlot, .cid = cid}); };
  EXPECT_EQ(get(kCidB).slot_uid, world.uid_b);
  EXPECT_EQ(get(kCidB + 1).rc, ReturnCode::kNoEntry);
  for (const std::uint64_t cid : {0ULL, 3ULL, 0xFFFF'FFFFULL, 0x1'0000'0014ULL}) {
    EXPECT_EQ(get(cid).rc, ReturnCode::kInvalidCid);
  }
  world.a().cid = kCidB;
  EXPECT_EQ(get(kCidB).slot_uid, world.uid_b) << "a was never started";
  world.a().state = enclave::SlotState::kStopped;
  EXPECT_EQ(get(kCidB).slot_uid, world.uid_b) << "a has stopped";
}

TEST_F(NitroCommands, WhatTheLoaderRefusesHasANumberOfItsOwn) {
  fill();
  executor_.outcome = hypercall::LoadOutcome::kRefusedUntouched;
  for (const auto& [error, code] :
       std::vector<std::pair<Error, ReturnCode>>{{Error::kBadImage, ReturnCode::kBadImage},
                                                 {Error::kBadSignature, ReturnCode::kBadSignature},
                                                 {Error::kOutOfRange, ReturnCode::kCertificateExpired},
                                                 {Error::kNoMemory, ReturnCode::kNoMemory}}) {
    executor_.load_error = error;
    EXPECT_EQ(start(0).rc, code);
    EXPECT_EQ(on_slot(Command::kSlotInfo).state, nitro::SlotState::kInit) << "and it may try another image";
    EXPECT_EQ(on_slot(Command::kSlotInfo).cid, 0U);
  }
  executor_.outcome = hypercall::LoadOutcome::kRefusedTouched;
  EXPECT_EQ(start(0).rc, ReturnCode::kNoMemory);
  EXPECT_EQ(on_slot(Command::kSlotInfo).state, nitro::SlotState::kStopped);
  EXPECT_EQ(on_slot(Command::kSlotFree).rc, ReturnCode::kSuccess);
}

TEST_F(NitroCommands, MemoryComesInUnitsOf2MiB) {
  for (const std::uint64_t size : {0UL, 1UL, 4096UL, kMiB, 3 * kMiB, ~0UL}) {
    unchanged(ReturnCode::kInvalidMemorySize, [&] { return add_memory(kRam, size); });
  }
  for (const std::uint64_t address : {kRam + 1, kRam + 4096, kRam + kMiB}) {
    unchanged(ReturnCode::kUnalignedMemoryAddress, [&] { return add_memory(address, 2 * kMiB); });
  }
  // Before RAM, beyond what an address can be, beyond it with its end, and with an end that would wrap.
  const std::uint64_t top = std::uint64_t{1} << 48;
  unchanged(ReturnCode::kInvalidMemoryAddress, [&] { return add_memory(0, 2 * kMiB); });
  unchanged(ReturnCode::kInvalidMemoryAddress, [&] { return add_memory(top, 2 * kMiB); });
  unchanged(ReturnCode::kInvalidMemoryAddress, [&] { return add_memory(top - 2 * kMiB, 4 * kMiB); });
  unchanged(ReturnCode::kInvalidMemoryAddress, [&] { return add_memory(~(2 * kMiB - 1), 2 * kMiB); });
  unchanged(ReturnCode::kInvalidMemoryAddress, [&] { return add_memory(2 * kMiB, ~(2 * kMiB - 1)); });
  EXPECT_EQ(add_memory(kRam, 2 * kMiB), ReturnCode::kSuccess);
  unchanged(ReturnCode::kMemoryAlreadyUsed, [&] { return add_memory(kRam, 2 * kMiB); });
  unchanged(ReturnCode::kMemoryAlreadyUsed, [&] { return add_memory(kRam, 4 * kMiB); });
}

TEST_F(NitroCommands, ASharedFrameAndTooManyRegionsAreRefused) {
  world_.succeed(world::Function::kChannelOpen, uid_, kFree, 4096U);
  unchanged(ReturnCode::kMemoryAlreadyUsed, [&] { return add_memory(kFree, 2 * kMiB); });
  for (std::uint64_t i = 0; !slot().regions.full(); ++i) {
    world_.succeed(world::Function::kMemoryDonate, uid_, kRam + 48 * kMiB + i * 8192, 4096U);
  }
  EXPECT_EQ(add_memory(kRam, 2 * kMiB), ReturnCode::kMaxRegions);
}

// What fails after a first piece was given takes that piece back. The machine is asked for pieces of 1 GiB.
TEST_F(NitroCommands, MemoryThatOnlyHalfCouldBeGivenComesBack) {
  constexpr std::uint64_t kGiB = 1024 * kMiB;
  NitroCommand command;
  const Request request{.command = Command::kAddMemory, .slot_uid = uid_, .address = kRam, .size = 2 * kGiB + 2 * kMiB};
  const auto status = [](Error error) { return partition::Reply{world::status_of(error), {}}; };
  const auto expect = [&](const NitroStep& step, world::Function function, std::uint64_t address, std::uint64_t size) {
    ASSERT_EQ(step.kind, NitroStep::Kind::kCall);
    EXPECT_EQ(step.call.function, static_cast<std::uint32_t>(function));
    EXPECT_EQ(step.call.arguments, (std::array<std::uint64_t, 6>{uid_, address, size, 0, 0, 0}));
  };
  expect(command.begin(request, world_.state()), world::Function::kMemoryDonate, kRam, kGiB);
  expect(command.next(world_.state(), {}), world::Function::kMemoryDonate, kRam + kGiB, kGiB);
  expect(command.next(world_.state(), {}), world::Function::kMemoryDonate, kRam + 2 * kGiB, 2 * kMiB);
  NitroStep step = command.next(world_.state(), status(Error::kNotOwned));
  const std::uint64_t chunk = board::kBoard.limits.scrub_chunk;
  for (std::uint64_t left = 2 * kGiB; left != 0; left -= chunk) {
    expect(step, world::Function::kMemoryReclaim, kRam + left - chunk, chunk);
    expect(command.next(world_.state(), status(Error::kInProgress)), world::Function::kMemoryReclaim,
           kRam + left - chunk, chunk);
    step = command.next(world_.state(), {});
  }
  ASSERT_EQ(step.kind, NitroStep::Kind::kReply);
  EXPECT_EQ(step.reply, nitro::Reply{.rc = ReturnCode::kMemoryAlreadyUsed}) << "the first failure is the answer";
  // And when even that fails: the rest stays the enclave's until it is freed.
  (void)command.begin(request, world_.state());
  (void)command.next(world_.state(), {});
  (void)command.next(world_.state(), status(Error::kNoTables));
  step = command.next(world_.state(), status(Error::kDeviceTimeout));
  ASSERT_EQ(step.kind, NitroStep::Kind::kReply);
  EXPECT_EQ(step.reply.rc, ReturnCode::kNoMemory);
}

TEST_F(NitroCommands, OnlyACoreOfThePoolCanBeGiven) {
  unchanged(ReturnCode::kVcpuNotInPool, [&] { return add_vcpu(0); });
  const auto cores = static_cast<std::uint32_t>(board::kBoard.cores.size());
  unchanged(ReturnCode::kInvalidVcpu, [&] { return add_vcpu(cores); });
  unchanged(ReturnCode::kInvalidVcpu, [&] { return add_vcpu(~0U); });
  EXPECT_EQ(add_vcpu(2), ReturnCode::kSuccess);
  unchanged(ReturnCode::kVcpuAlreadyUsed, [&] { return add_vcpu(2); });
  world_.state().cores.at(kCoreOfB).state = partition::CoreState::kRunning;
  unchanged(ReturnCode::kVcpuNotInPool, [&] { return add_vcpu(kCoreOfB.value); });
}

TEST_F(NitroCommands, LinuxCountsOnlyCoresThatTheMachineHas) {
  world_.state().cores.at(base::CoreId{1}).owner = base::kMonitor;
  EXPECT_EQ(hypercall::core_of_vcpu(world_.state(), 0).value(), base::CoreId{0});
  EXPECT_EQ(hypercall::core_of_vcpu(world_.state(), 1).value(), base::CoreId{2});
  const auto last = static_cast<std::uint32_t>(board::kBoard.cores.size()) - 1;
  EXPECT_FALSE(hypercall::core_of_vcpu(world_.state(), last).ok());
  EXPECT_EQ(add_vcpu(1), ReturnCode::kSuccess);
  EXPECT_EQ(world_.state().cores.at(base::CoreId{2}).owner, base::partition_of(base::SlotIndex{0}));
}

TEST_F(NitroCommands, ManyVcpusComeFromWhatIsFree) {
  world_.state().cores.at(base::CoreId{1}).state = partition::CoreState::kRunning;  // the parent's, and on
  const std::uint64_t free_cores = board::kBoard.cores.size() - 2;
  unchanged(ReturnCode::kInvalid, [&] { return add_bulk(0); });
  unchanged(ReturnCode::kNoCpusInPool, [&] { return add_bulk(free_cores + 1); });
  unchanged(ReturnCode::kNoCpusInPool, [&] { return add_bulk(~0ULL); });
  EXPECT_EQ(add_bulk(2), ReturnCode::kSuccess);
  EXPECT_EQ(on_slot(Command::kSlotInfo).vcpus, 2U);
  EXPECT_EQ(world_.state().cores.owned_by(base::partition_of(base::SlotIndex{0})), 0b1100U);
  EXPECT_EQ(add_bulk(free_cores - 2), ReturnCode::kSuccess);
  unchanged(ReturnCode::kNoCpusInPool, [&] { return add_bulk(1); });
}

TEST_F(NitroCommands, VcpusThatOnlyHalfCouldBeGivenComeBack) {
  executor_.before_call = [&](const hypercall::Call& call) {
    const bool third = executor_.count(world::Function::kCoreDonate) == 3;
    const bool donates = call.function == static_cast<std::uint32_t>(world::Function::kCoreDonate);
    return partition::Reply{donates && third ? world::status_of(Error::kCoreBusy) : 0, {}};
  };
  EXPECT_EQ(add_bulk(3), ReturnCode::kVcpuNotInPool);
  EXPECT_EQ(executor_.count(world::Function::kCoreReclaim), 2U);
  EXPECT_EQ(world_.state().cores.owned_by(base::partition_of(base::SlotIndex{0})), 0U);
  // The parent switches the last free core on while the command runs.
  executor_.before_call = [&](const hypercall::Call&) {
    if (executor_.count(world::Function::kCoreDonate) == 2) {
      for (std::uint8_t i = 1; i < world_.state().cores.count; ++i) {
        partition::CoreEntry& core = world_.state().cores.at(base::CoreId{i});
        if (core.owner == base::kParent && i > 2) core.state = partition::CoreState::kRunning;
      }
    }
    return partition::Reply{};
  };
  EXPECT_EQ(add_bulk(3), ReturnCode::kNoCpusInPool);
  EXPECT_EQ(world_.state().cores.owned_by(base::partition_of(base::SlotIndex{0})), 0U);
}

TEST_F(NitroCommands, NothingIsAddedOnceItWasStarted) {
  fill();
  EXPECT_EQ(start(0).rc, ReturnCode::kSuccess);
  unchanged(ReturnCode::kNotInInitState, [&] { return add_memory(kRam, 2 * kMiB); });
  unchanged(ReturnCode::kNotInInitState, [&] { return add_vcpu(1); });
  unchanged(ReturnCode::kNotInInitState, [&] { return add_bulk(1); });
}

TEST_F(NitroCommands, AnUnfinishedReclaimIsBusy) {
  fill();
  slot().scrubbing = base::FrameRange::from_bytes(kRam, 4096).value();
  EXPECT_EQ(start(0).rc, ReturnCode::kBusy);
  EXPECT_EQ(add_memory(kRam, 2 * kMiB), ReturnCode::kBusy);
}

TEST_F(NitroCommands, AnotherCoresWorkIsWaitedFor) {
  int left = 5;
  executor_.before_call = [&](const hypercall::Call&) {
    return partition::Reply{left-- > 0 ? world::status_of(Error::kBusy) : 0, {}};
  };
  EXPECT_EQ(add_vcpu(1), ReturnCode::kSuccess);
  EXPECT_EQ(executor_.waited, 5);
}

TEST_F(NitroCommands, NextSlotWalksAllSlotsOnce) {
  const std::uint64_t second = executor_.run({.command = Command::kSlotAllocate}).slot_uid;
  const auto next = [&](std::uint64_t uid) {
    return executor_.run({.command = Command::kNextSlot, .slot_uid = uid}).slot_uid;
  };
  EXPECT_EQ(next(0), uid_);
  EXPECT_EQ(next(uid_), second);
  EXPECT_EQ(next(second), 0U);
  EXPECT_EQ(next(~0ULL), 0U);
}

TEST_F(NitroCommands, SlotsRunOut) {
  for (std::size_t i = 1; i < world_.state().slots.size(); ++i) {
    EXPECT_EQ(executor_.run({.command = Command::kSlotAllocate}).rc, ReturnCode::kSuccess);
  }
  EXPECT_EQ(executor_.run({.command = Command::kSlotAllocate}).rc, ReturnCode::kNoSpace);
}

TEST_F(NitroCommands, LinuxSeesThreeStatesOnly) {
  using enclave::SlotState;
  for (const auto& [state, expected] :
       std::vector<std::pair<SlotState, nitro::SlotState>>{{SlotState::kInit, nitro::SlotState::kInit},
                                                           {SlotState::kLoading, nitro::SlotState::kInit},
                                                           {SlotState::kRunning, nitro::SlotState::kRunning},
                                                           {SlotState::kStopping, nitro::SlotState::kRunning},
                                                           {SlotState::kStopped, nitro::SlotState::kStopped},
                                                           {SlotState::kFreeing, nitro::SlotState::kStopped}}) {
    slot().state = state;
    EXPECT_EQ(on_slot(Command::kSlotInfo).state, expected);
  }
}

TEST_F(NitroCommands, AStopBeforeTheStartIsRefused) {
  unchanged(ReturnCode::kInvalid, [&] { return on_slot(Command::kStop).rc; });
}

// Every refusal of every call has a number that Linux can hand to a program: errno's or the driver's.
TEST(NitroReturnCodes, EveryErrorIsAFailure) {
  for (std::uint32_t command = 1; command <= 11; ++command) {
    for (std::uint32_t error = 1; error <= 28; ++error) {
      const auto code = static_cast<std::int32_t>(
          hypercall::nitro_return_code(static_cast<Command>(command), static_cast<Error>(error)));
      EXPECT_LT(code, 0);
      EXPECT_GE(code, -275);
    }
  }
}

}  // namespace
