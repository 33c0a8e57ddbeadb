// kMemoryDonate, kMemoryReclaim.
#include "firmware/hypercall/plan.hpp"
#include "firmware/partition/transitions.hpp"

namespace hypercall {

using base::Error;
using base::FrameRange;
using enclave::Slot;
using enclave::SlotState;

namespace {

// No single call looks at more than this many frames.
constexpr std::uint64_t kMaxCallBytes = std::uint64_t{1} << 30;

struct Target {
  base::SlotIndex slot;
  FrameRange frames;
};

[[nodiscard]] base::Result<Target> decode(const SystemState& state, const Call& call) {
  MON_TRY_ASSIGN(const base::SlotIndex slot, find_slot(state, call.arguments[0]));
  if (state.slots[slot.value].state != SlotState::kInit) return Error::kWrongState;
  if (state.slots[slot.value].busy) return Error::kBusy;
  MON_TRY_ASSIGN(const FrameRange frames, FrameRange::from_bytes(call.arguments[1], call.arguments[2]));
  if (frames.bytes() > kMaxCallBytes) return Error::kTooLarge;
  return Target{slot, frames};
}

[[nodiscard]] base::Result<Target> check_donation(const SystemState& state, const Call& call) {
  MON_TRY_ASSIGN(const Target target, decode(state, call));
  const Slot& slot = state.slots[target.slot.value];
  if (!slot.scrubbing.empty()) return Error::kWrongState;  // a reclaim is not finished
  MON_TRY(partition::check_parents(state.frames, target.frames));
  const bool goes_on = !slot.regions.empty() && slot.regions.back().frames.end() == target.frames.first();
  if (!goes_on && slot.regions.full()) return Error::kNoRegions;
  return target;
}

// One transition, returned from every path: it is built where the caller wants it and never copied.
[[nodiscard]] Transition donate(const SystemState& state, const Call& call) {
  Transition transition;
  const auto target = check_donation(state, call);
  if (target.ok()) {
    const base::Ipa ipa = enclave::ram_end(state.slots[target->slot.value]);
    partition::plan_donate(transition, target->slot, target->frames, ipa);
    transition.reply.values[0] = ipa.value;
  } else {
    transition.reply.status = partition::status_of(target.error());
  }
  return transition;
}

// Only what was donated last comes back before the slot is freed, so that its memory stays in one piece.
[[nodiscard]] Transition reclaim(const SystemState& state, const Call& call) {
  const auto target = decode(state, call);
  if (!target) return refuse(target.error());
  const auto [slot_index, frames] = *target;
  const Slot& slot = state.slots[slot_index.value];
  if (frames.bytes() > board::kBoard.limits.scrub_chunk) return refuse(Error::kTooLarge);
  Transition transition;
  transition.work = {partition::WorkKind::kScrub, slot_index, frames};
  transition.add(partition::Fact{.kind = partition::FactKind::kSlotBusy, .slot = slot_index, .argument = 1});
  if (slot.scrubbing == frames) return transition;  // an earlier call got that far
  if (!slot.scrubbing.empty()) return refuse(Error::kWrongState);
  if (slot.regions.empty()) return refuse(Error::kNotOwned);
  const FrameRange& last = slot.regions.back().frames;
  if (!last.contains(frames) || last.end() != frames.end()) return refuse(Error::kNotOwned);
  const base::Ipa ipa{enclave::ram_end(slot).value - frames.bytes()};
  partition::plan_withdraw(transition, slot_index, frames, ipa);
  return transition;
}

}  // namespace

Transition plan_memory_call(const SystemState& state, const Call& call) {
  return static_cast<Function>(call.function) == Function::kMemoryDonate ? donate(state, call) : reclaim(state, call);
}

}  // namespace hypercall
