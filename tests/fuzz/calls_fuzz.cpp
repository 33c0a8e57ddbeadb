// Sequences of calls, faults and finished pieces of work on the monitor's core, on the smallest board, without a machine.
//
// Input: operations one after another. After each of them every invariant holds; between any two effects of it no frame
// is reachable by two partitions unless the parent shares it, where reach counts what a TLB or the SMMU may still hold; a
// refusal has no effect; effects that may fail stand before those that can't. What a machine makes of the effects is the
// business of tests/model.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "firmware/hypercall/invariants.hpp"
#include "firmware/hypercall/plan.hpp"
#include "tests/fuzz/demand.hpp"

namespace {

using base::CoreId;
using base::Effect;
using base::EffectKind;
using base::FrameRange;
using base::PartitionId;
using cofferdam_abi::Function;
using hypercall::Call;
using hypercall::Caller;
using hypercall::LoadOutcome;
using hypercall::SystemState;
using hypercall::Transition;
using partition::CoreState;
using partition::FactKind;
using partition::FrameState;
using partition::WorkKind;

constexpr int kMostOperations = 100;
constexpr std::uint64_t kFirstFrame = board::kFrameTableBase >> base::kFrameShift;
constexpr std::size_t kPartitions = board::kMaxEnclaves + 2;

// Who can reach each frame of RAM, as the effects so far have left it.
class Shadow {
 public:
  explicit Shadow(const SystemState& state) {
    for (std::size_t i = 0; i < board::kFrameTableFrames; ++i) {
      if (entry(state, i).state == FrameState::kOwned) reach_[i][base::kParent.value] = kMapped;
    }
  }

  void apply(const Effect& effect) {
    switch (effect.kind) {
      case EffectKind::kUnmapStage2: return each(effect, [](std::uint8_t& reach) {
        if ((reach & kMapped) != 0) reach = kStaleCore | kStaleDevice;
      });
      case EffectKind::kInvalidateStage2: return each(effect, [](std::uint8_t& reach) {
        reach = static_cast<std::uint8_t>(reach & ~kStaleCore);
      });
      case EffectKind::kInvalidateSmmu: return all(effect.partition, [](std::uint8_t& reach) {
        reach = static_cast<std::uint8_t>(reach & ~kStaleDevice);
      });
      case EffectKind::kMapStage2: return each(effect, [](std::uint8_t& reach) { reach |= kMapped; });
      case EffectKind::kDestroyStage2: return all(effect.partition, [](std::uint8_t& reach) { reach = 0; });
      case EffectKind::kDetachStream:
      case EffectKind::kAttachStream:
      case EffectKind::kCreateStage2:
      case EffectKind::kCleanFrames:
      case EffectKind::kScrubFrames:
      case EffectKind::kRouteInterrupt:
      case EffectKind::kDisableInterrupt:
      case EffectKind::kStartCore:
      case EffectKind::kStopCores:
      case EffectKind::kInjectInterrupt: return;
    }
  }
  // `exclusive`, with what either state shares on purpose left out.
  void demand_exclusive(const SystemState& before, const SystemState& after) const {
    for (std::size_t i = 0; i < board::kFrameTableFrames; ++i) {
      const auto reachers = std::count_if(reach_[i].begin(), reach_[i].end(), [](std::uint8_t r) { return r != 0; });
      if (reachers <= 1) continue;
      DEMAND(reachers == 2);
      DEMAND(entry(before, i).state == FrameState::kShared || entry(after, i).state == FrameState::kShared);
    }
  }
  // At rest: what a partition reaches is what the frame table gives it.
  void demand_equal(const SystemState& state) const {
    for (std::size_t i = 0; i < board::kFrameTableFrames; ++i) {
      for (std::size_t p = 0; p < kPartitions; ++p) {
        const bool reaches = reach_[i][p] != 0;
        if (reaches) DEMAND(partition::may_reach(entry(state, i), PartitionId{static_cast<std::uint8_t>(p)}));
      }
    }
  }

 private:
  static constexpr std::uint8_t kMapped = 1;
  static constexpr std::uint8_t kStaleCore = 2;
  static constexpr std::uint8_t kStaleDevice = 4;

  static partition::FrameEntry entry(const SystemState& state, std::size_t index) {
    return state.frames.at(base::FrameNumber{kFirstFrame + index});
  }
  template <typename Change>
  void each(const Effect& effect, Change change) {
    DEMAND(effect.partition.value < kPartitions);
    for (std::uint64_t f = effect.frames.first().value; f < effect.frames.end().value; ++f) {
      if (f < kFirstFrame || f - kFirstFrame >= board::kFrameTableFrames) continue;  // a device's registers
      change(reach_[f - kFirstFrame][effect.partition.value]);
    }
  }
  template <typename Change>
  void all(PartitionId partition, Change change) {
    for (auto& frame : reach_) change(frame[partition.value]);
  }
  std::vector<std::array<std::uint8_t, kPartitions>> reach_{board::kFrameTableFrames};
};

class World {
 public:
  World() {
    hypercall::initialise(*state_, *storage_);
    state_->cores.entries[0].state = CoreState::kRunning;
    shadow_ = std::make_unique<Shadow>(*state_);
  }

  void step(FuzzedDataProvider& input) {
    switch (input.ConsumeIntegralInRange<int>(0, 15)) {
      case 0: return core_leaves(core(input));
      case 1: {
        const CoreId on = core(input);
        if (state_->cores.at(on).state == CoreState::kOff) return;
        const auto kind = input.ConsumeBool() ? cofferdam_abi::FaultCounter::kStage2 : cofferdam_abi::FaultCounter::kUndefined;
        return carry_out(hypercall::plan_fault(*state_, Caller::on(state_->cores, on), kind), on);
      }
      case 2:
        if (input.ConsumeIntegralInRange<int>(0, 20) != 0) return;
        return carry_out(hypercall::plan_terminate(*state_, slot(input)), CoreId{0});
      case 3: return build_enclave(input);
      default: return call(input);
    }
  }

 private:
  static CoreId core(FuzzedDataProvider& input) {
    return CoreId{input.ConsumeIntegralInRange<std::uint8_t>(0, board::kMaxCores - 1)};
  }
  static base::SlotIndex slot(FuzzedDataProvider& input) {
    return base::SlotIndex{input.ConsumeIntegralInRange<std::uint8_t>(0, board::kMaxEnclaves - 1)};
  }

  std::uint32_t function(FuzzedDataProvider& input) {
    static constexpr std::array kFunctions{
        Function::kVersion,     Function::kConsoleWrite, Function::kPartitionInfo, Function::kSlotAllocate,
        Function::kSlotFree,    Function::kSlotStart,    Function::kSlotStop,      Function::kSlotInfo,
        Function::kSlotCount,   Function::kSlotNext,     Function::kMemoryDonate,  Function::kMemoryReclaim,
        Function::kCoreDonate,  Function::kCoreReclaim,  Function::kDeviceAssign,  Function::kDeviceRelease,
        Function::kChannelOpen, Function::kChannelClose, Function::kChannelNotify, Function::kChannelInfo,
        Function::kChannelPending, Function::kNsmRequest, Function::kEnclaveExit,  Function::kEventLogRead,
        Function::kLedgerRead,  Function::kPlatformPcrRead, Function::kFaultCounters,
        Function::kStatusRead};
    static constexpr std::array kArms{
        cofferdam_abi::kPsciCpuOff,          cofferdam_abi::kPsciCpuOn,         cofferdam_abi::kPsciAffinityInfo,
        cofferdam_abi::kPsciFeatures,        cofferdam_abi::kPsciCpuSuspend,    cofferdam_abi::kPsciSystemReset2,
        cofferdam_abi::kSmcccArchFeatures,   cofferdam_abi::kTrngFeatures,      cofferdam_abi::kTrngRnd,
        cofferdam_abi::kTrngRnd32,           cofferdam_abi::kPsciCpuOn32};
    const int choice = input.ConsumeIntegralInRange<int>(0, 40);
    if (choice < static_cast<int>(kFunctions.size())) return static_cast<std::uint32_t>(kFunctions[static_cast<std::size_t>(choice)]);
    if (choice < 34) return kArms[input.ConsumeIntegralInRange<std::size_t>(0, kArms.size() - 1)];
    if (choice < 39) return cofferdam_abi::kFunctionBase + input.ConsumeIntegral<std::uint8_t>();
    return input.ConsumeIntegral<std::uint32_t>();
  }
  // Numbers that mean something, and any.
  std::uint64_t argument(FuzzedDataProvider& input) {
    const board::MemoryRegion& region = board::kBoard.memory[input.ConsumeIntegralInRange<std::size_t>(0, board::kBoard.memory.size() - 1)];
    switch (input.ConsumeIntegralInRange<int>(0, 9)) {
      case 0: return 0;
      case 1: return state_->slots[slot(input).value].uid.value;
      case 2: return region.base + input.ConsumeIntegralInRange<std::uint64_t>(0, region.size / base::kFrameSize) * base::kFrameSize;
      case 3: return base::kFrameSize << input.ConsumeIntegralInRange<int>(0, 10);
      case 4: return input.ConsumeIntegralInRange<std::uint64_t>(1, 600) * base::kFrameSize;
      case 5: return board::kBoard.cores[core(input).value].mpidr;
      case 6: return board::kBoard.devices.empty() ? 0 : board::kBoard.devices[0].stream.value;
      case 7: return input.ConsumeIntegralInRange<std::uint64_t>(0, 32);
      case 8: return region.base;
      default: return input.ConsumeIntegral<std::uint64_t>();
    }
  }

  void call(FuzzedDataProvider& input) {
    const CoreId on = core(input);
    Call made{function(input), {}};
    // A call about a slot names one more often than not.
    made.arguments[0] = input.ConsumeBool() ? state_->slots[slot(input).value].uid.value : argument(input);
    for (std::size_t i = 1; i < 4; ++i) made.arguments[i] = argument(input);
    perform(on, made, input);
  }

  // What a parent does to run an enclave; any step of it may be refused.
  void build_enclave(FuzzedDataProvider& input) {
    const auto parents = [&](Function function, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0, std::uint64_t d = 0) {
      perform(CoreId{0}, Call{static_cast<std::uint32_t>(function), {a, b, c, d}}, input);
    };
    parents(Function::kSlotAllocate);
    const std::uint64_t uid = state_->last_uid;
    const board::MemoryRegion& region = board::kBoard.memory[input.ConsumeIntegralInRange<std::size_t>(0, board::kBoard.memory.size() - 1)];
    parents(Function::kMemoryDonate, uid, region.base + input.ConsumeIntegralInRange<std::uint64_t>(0, 8) * (64 << 10),
            input.ConsumeIntegralInRange<std::uint64_t>(1, 256) * base::kFrameSize);
    parents(Function::kCoreDonate, uid, board::kBoard.cores[core(input).value].mpidr);
    for (int i = 0; i < 3; ++i) parents(Function::kSlotStart, uid, input.ConsumeIntegralInRange<std::uint64_t>(0, 1), 20 + uid % 7);
  }

  void perform(CoreId on, const Call& made, FuzzedDataProvider& input) {
    if (state_->cores.at(on).state == CoreState::kOff || state_->cores.at(on).state == CoreState::kStopping) return;
    const hypercall::Moment moment{1'700'000'000'000, input.ConsumeIntegral<std::uint16_t>(), {}};
    const Transition transition = hypercall::plan(*state_, Caller::on(state_->cores, on), made, moment);
    const bool progress = transition.reply.status == 0 ||
                          transition.reply.status == partition::status_of(base::Error::kInProgress);
    if (!progress && !hypercall::is_arm_call(made.function)) {
      DEMAND(transition.effects.empty() && transition.work.kind == WorkKind::kNone);
      for (const partition::Fact& fact : transition.facts) DEMAND(fact.kind == FactKind::kFaultCounted);
    }
    carry_out(transition, on);
    finish(transition, input);
  }

  // As the monitor does it, with every effect looked at.
  void carry_out(const Transition& transition, CoreId caller) {
    DEMAND(!transition.overflow);
    bool final_part = false;
    for (const Effect& effect : transition.effects) {
      DEMAND(!final_part || !base::is_reversible(effect.kind));
      final_part = final_part || !base::is_reversible(effect.kind);
    }
    // The state after, for what is shared from now on: committed to the state itself once the effects were looked at.
    std::vector<Shadow> between;  // after each mapping: nothing else lets anybody reach more
    for (const Effect& effect : transition.effects) {
      shadow_->apply(effect);
      if (effect.kind == EffectKind::kMapStage2) between.push_back(*shadow_);
    }
    if (transition.effects.empty() && transition.facts.empty()) return;
    const std::unique_ptr<SystemState> before = between.empty() ? nullptr : copy();
    hypercall::commit(*state_, transition);
    for (const Shadow& moment : between) moment.demand_exclusive(*before, *state_);
    shadow_->demand_equal(*state_);
    const auto broken = hypercall::broken_invariant(*state_);
    if (broken) std::fprintf(stderr, "broken: %.*s\n", static_cast<int>(broken->size()), broken->data());
    DEMAND(!broken);
    if (transition.caller_core == partition::CallerCore::kLeavesGuest) core_leaves(caller);
  }

  // The work that a transition asks for, with an outcome that the input chooses.
  void finish(const Transition& transition, FuzzedDataProvider& input) {
    switch (transition.work.kind) {
      case WorkKind::kScrub: return carry_out(hypercall::plan_scrubbed(*state_, transition.work.slot), CoreId{0});
      case WorkKind::kLoad: {
        const auto outcome = static_cast<LoadOutcome>(input.ConsumeIntegralInRange<int>(0, 3));
        return carry_out(hypercall::plan_load_step(*state_, transition.work.slot, outcome,
                                                   base::Ipa{board::kBoard.enclave_ram_base},
                                                   base::Ipa{board::kBoard.enclave_ram_base}, base::Error::kBadImage, 1),
                         CoreId{0});
      }
      case WorkKind::kNsm: {
        Transition done;
        done.add(partition::Fact{.kind = FactKind::kNsmBusy, .slot = transition.work.slot});
        return carry_out(done, CoreId{0});
      }
      case WorkKind::kNone:
      case WorkKind::kCopyOut:
      case WorkKind::kConsole:
      case WorkKind::kPowerOff:
      case WorkKind::kPowerReset:
      case WorkKind::kRandom:
      case WorkKind::kForget: return;
    }
  }

  void core_leaves(CoreId core) {
    if (core.value == 0 || state_->cores.at(core).state == CoreState::kOff) return;
    carry_out(hypercall::plan_core_left(*state_, core), core);
  }

  // The frame table looks at its storage by address, so a copy needs its own.
  std::unique_ptr<SystemState> copy() {
    auto made = std::make_unique<SystemState>(*state_);
    *storage_before_ = *storage_;
    made->frames = partition::FrameTable{state_->frames.first(), storage_before_->blocks, storage_before_->frames};
    return made;
  }

  std::unique_ptr<hypercall::FrameStorage> storage_{std::make_unique<hypercall::FrameStorage>()};
  std::unique_ptr<hypercall::FrameStorage> storage_before_{std::make_unique<hypercall::FrameStorage>()};
  std::unique_ptr<SystemState> state_{std::make_unique<SystemState>()};
  std::unique_ptr<Shadow> shadow_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  World world;
  for (int i = 0; i < kMostOperations && input.remaining_bytes() > 0; ++i) world.step(input);
  return 0;
}
