// A small world of one parent and two enclaves, without any machine: plan and commit only.
//
//   enclave A (slot 0): waits for its start. 4 MiB, core 1, one channel of one page. The accelerator is the parent's.
//   enclave B (slot 1): runs on core 3 with 2 MiB and CID 20, one channel of one page.
//   The parent runs on core 0; core 2 is its own and off; RAM from kFree on is its own.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>

#include "firmware/hypercall/invariants.hpp"
#include "firmware/hypercall/plan.hpp"

namespace world {

using base::CoreId;
using base::SlotIndex;
using cofferdam_abi::Function;
using hypercall::Call;
using hypercall::Caller;
using hypercall::Moment;
using hypercall::SystemState;
using hypercall::Transition;
using partition::Fact;
using partition::FactKind;
using partition::Reply;
using partition::WorkKind;

inline constexpr std::uint64_t kMiB = 1024 * 1024;
inline constexpr std::uint64_t kRam = board::kBoard.memory[0].base;
inline constexpr std::uint64_t kMemoryA = kRam;
inline constexpr std::uint64_t kSizeA = 4 * kMiB;
inline constexpr std::uint64_t kMemoryB = kRam + 4 * kMiB;
inline constexpr std::uint64_t kSizeB = 2 * kMiB;
inline constexpr std::uint64_t kChannelA = kRam + 16 * kMiB;
inline constexpr std::uint64_t kChannelB = kRam + 17 * kMiB;
inline constexpr std::uint64_t kFree = kRam + 32 * kMiB;
inline constexpr std::uint64_t kIpa = board::kBoard.enclave_ram_base;
inline constexpr CoreId kParentCore{0}, kCoreOfA{1}, kFreeCore{2}, kCoreOfB{3};
inline constexpr SlotIndex kSlotA{0}, kSlotB{1};
inline constexpr std::uint64_t kCidB = 20;

[[nodiscard]] inline std::uint64_t status_of(base::Error error) { return partition::status_of(error); }
[[nodiscard]] inline std::uint64_t mpidr_of(CoreId core) { return board::kBoard.cores[core.value].mpidr; }

class World {
 public:
  World() : storage_(std::make_unique<hypercall::FrameStorage>()), state_(std::make_unique<SystemState>()) {
    hypercall::initialise(*state_, *storage_);
    state_->cores.at(kParentCore).state = partition::CoreState::kRunning;
    EXPECT_TRUE(state_->platform.record(measure::PlatformPcr::kRom, "rom", {}).ok());
  }
  World(const World& other) : World() { copy(other); }
  World& operator=(const World&) = delete;

  // The world of the first lines.
  [[nodiscard]] static World with_two_enclaves() {
    World made;
    made.uid_a = made.call(Function::kSlotAllocate).values[0];
    made.uid_b = made.call(Function::kSlotAllocate).values[0];
    made.succeed(Function::kMemoryDonate, made.uid_a, kMemoryA, kSizeA);
    made.succeed(Function::kMemoryDonate, made.uid_b, kMemoryB, kSizeB);
    made.succeed(Function::kCoreDonate, made.uid_a, mpidr_of(kCoreOfA));
    made.succeed(Function::kCoreDonate, made.uid_b, mpidr_of(kCoreOfB));
    made.succeed(Function::kChannelOpen, made.uid_a, kChannelA, 0x1000U);
    made.succeed(Function::kChannelOpen, made.uid_b, kChannelB, 0x1000U);
    made.start(made.uid_b, kSlotB, kCidB);
    return made;
  }

  [[nodiscard]] SystemState& state() { return *state_; }
  [[nodiscard]] const SystemState& state() const { return *state_; }
  [[nodiscard]] enclave::Slot& a() { return state_->slots[kSlotA.value]; }
  [[nodiscard]] enclave::Slot& b() { return state_->slots[kSlotB.value]; }

  [[nodiscard]] Transition plan(CoreId core, const Call& call) const {
    return hypercall::plan(*state_, Caller::on(state_->cores, core), call, moment);
  }
  // As the monitor does it: plan, apply (to nothing), commit. Work is left to the test. Every invariant holds after it.
  Transition commit(Transition transition) {
    hypercall::commit(*state_, transition);
    const auto broken = hypercall::broken_invariant(*state_);
    EXPECT_FALSE(broken.has_value()) << "invariant broken: " << broken.value_or("");
    return transition;
  }
  Transition perform(CoreId core, const Call& call) { return commit(plan(core, call)); }
  template <typename... Arguments>
  [[nodiscard]] static Call make(Function function, Arguments... arguments) {
    return {static_cast<std::uint32_t>(function), {static_cast<std::uint64_t>(arguments)...}};
  }
  // A call of the parent.
  template <typename... Arguments>
  Reply call(Function function, Arguments... arguments) {
    return perform(kParentCore, make(function, arguments...)).reply;
  }
  template <typename... Arguments>
  Reply call_from(CoreId core, Function function, Arguments... arguments) {
    return perform(core, make(function, arguments...)).reply;
  }
  Reply psci(CoreId core, std::uint32_t function, std::uint64_t x1 = 0, std::uint64_t x2 = 0, std::uint64_t x3 = 0) {
    return perform(core, {function, {x1, x2, x3}}).reply;
  }
  template <typename... Arguments>
  void succeed(Function function, Arguments... arguments) {
    EXPECT_EQ(call(function, arguments...).status, 0U) << "call " << static_cast<std::uint32_t>(function);
  }
  void commit_fact(const Fact& fact) {
    Transition transition;
    transition.add(fact);
    hypercall::commit(*state_, transition);
  }

  Transition load_step(SlotIndex slot, hypercall::LoadOutcome outcome, base::Error error = base::Error::kBadImage,
                       std::uint8_t image_error = 0) {
    return commit(
        hypercall::plan_load_step(*state_, slot, outcome, base::Ipa{kIpa}, base::Ipa{kIpa + kMiB}, error, image_error));
  }
  void start(std::uint64_t uid, SlotIndex slot, std::uint64_t cid, std::uint64_t flags = 0) {
    const Transition begun = perform(kParentCore, make(Function::kSlotStart, uid, flags, cid, 0U));
    EXPECT_EQ(begun.work.kind, WorkKind::kLoad);
    EXPECT_EQ(load_step(slot, hypercall::LoadOutcome::kReady).reply.status, 0U);
  }
  // Every core that was told to leave has left.
  void cores_leave(base::PartitionId partition) {
    for (std::uint8_t i = 0; i < state_->cores.count; ++i) {
      const partition::CoreEntry& core = state_->cores.entries[i];
      if (core.owner == partition && core.state != partition::CoreState::kOff) {
        commit(hypercall::plan_core_left(*state_, CoreId{i}));
      }
    }
  }
  // A call that repeats, with its scrubbing; what it answers in the end.
  Reply repeat(const Call& call, SlotIndex slot) {
    for (int i = 0; i < 1000; ++i) {
      const Transition step = perform(kParentCore, call);
      Reply reply = step.reply;
      if (step.work.kind == WorkKind::kScrub) reply = commit(hypercall::plan_scrubbed(*state_, slot)).reply;
      if (reply.status != status_of(base::Error::kInProgress)) return reply;
    }
    ADD_FAILURE() << "a call that repeats does not end";
    return {};
  }

  // Everything the state holds, so that two equal texts are two equal states.
  [[nodiscard]] std::string picture() const {
    std::string text;
    const auto add = [&text](auto value) { text += std::to_string(value) + " "; };
    for (base::FrameNumber frame = state_->frames.first(); frame < state_->frames.end(); ++frame.value) {
      const partition::FrameEntry entry = state_->frames.at(frame);
      text += static_cast<char>('a' + static_cast<int>(entry.state));
      text += static_cast<char>(' ' + entry.owner.value);
      text += static_cast<char>(' ' + entry.peer.value);
    }
    for (const partition::CoreEntry& core : state_->cores.entries) {
      add(core.owner.value), add(static_cast<int>(core.state)), add(core.number);
    }
    for (const base::PartitionId owner : state_->devices.owner) add(owner.value);
    for (const enclave::Slot& slot : state_->slots) {
      add(static_cast<int>(slot.state)), add(slot.uid.value), add(static_cast<int>(slot.mode)), add(slot.cid);
      add(slot.image_offset), add(slot.exit), add(slot.busy), add(slot.nsm_busy), add(slot.faults);
      add(slot.memory_bytes), add(slot.scrubbing.first().value), add(slot.scrubbing.count().value);
      for (const enclave::Region& region : slot.regions) add(region.frames.first().value), add(region.frames.bytes());
      for (const enclave::Channel& channel : slot.channels) {
        add(channel.frames.first().value), add(channel.frames.bytes());
        add(channel.parent_pending), add(channel.enclave_pending);
      }
      add(slot.pcrs.locked_mask());
    }
    add(state_->last_uid), add(state_->counters.stage2_faults), add(state_->counters.dma_faults);
    add(state_->counters.undefined), add(state_->counters.refused_calls), add(state_->ledger.size());
    return text;
  }

  Moment moment{1'700'000'000'000, 0x1234, {true, true, true}};
  std::uint64_t uid_a{};
  std::uint64_t uid_b{};

 private:
  void copy(const World& other) {
    *storage_ = *other.storage_;
    *state_ = *other.state_;
    // The frame table looks at its storage by address.
    state_->frames = partition::FrameTable{other.state_->frames.first(), storage_->blocks, storage_->frames};
    uid_a = other.uid_a;
    uid_b = other.uid_b;
    moment = other.moment;
  }

  std::unique_ptr<hypercall::FrameStorage> storage_;
  std::unique_ptr<SystemState> state_;
};

}  // namespace world
