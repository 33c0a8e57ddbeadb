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

[[nodiscard]] base::Status check_donation(const SystemState& state, const Slot& slot, FrameRange frames) {
  if (!slot.scrubbing.empty()) return Error::kWrongState;  // a reclaim is not finished
  MON_TRY(partition::check_parents(state.frames, frames));
  const bool goes_on = !slot.regions.empty() && slot.regions.back().frames.end() == frames.first();
  if (!goes_on && slot.regions.full()) return Error::kNoRegions;
  return {};
}

// Only what was donated last comes back before the slot is freed, so that its memory stays in one piece.
[[nodiscard]] base::Status check_reclaim(const Slot& slot, FrameRange frames) {
  if (frames.bytes() > board::kBoard.limits.scrub_chunk) return Error::kTooLarge;
  if (slot.scrubbing == frames) return {};  // an earlier call got that far
  if (!slot.scrubbing.empty()) return Error::kWrongState;
  if (slot.regions.empty()) return Error::kNotOwned;
  const FrameRange& last = slot.regions.back().frames;
  if (!last.contains(frames) || last.end() != frames.end()) return Error::kNotOwned;
  return {};
}

// Functions of one transition and one return: it is built where the caller wants it and never copied.
[[nodiscard]] Transition donate(base::SlotIndex index, const Slot& slot, FrameRange frames) {
  const base::Ipa ipa = enclave::ram_end(slot);
  Transition transition;
  partition::plan_donate(transition, index, frames, ipa);
  transition.reply.values[0] = ipa.value;
  return transition;
}

[[nodiscard]] Transition reclaim(base::SlotIndex index, const Slot& slot, FrameRange frames) {
  Transition transition;
  transition.work = {partition::WorkKind::kScrub, index, frames};
  transition.add(partition::Fact{.kind = partition::FactKind::kSlotBusy, .slot = index, .argument = 1});
  if (slot.scrubbing.empty()) {
    partition::plan_withdraw(transition, index, frames, base::Ipa{enclave::ram_end(slot).value - frames.bytes()});
  }
  return transition;
}

}  // namespace

Transition plan_memory_call(const SystemState& state, const Call& call) {
  const auto index = find_slot(state, call.arguments[0]);
  if (!index) return refuse(index.error());
  const Slot& slot = state.slots[index->value];
  if (slot.state != SlotState::kInit) return refuse(Error::kWrongState);
  if (slot.busy) return refuse(Error::kBusy);
  const auto frames = FrameRange::from_bytes(call.arguments[1], call.arguments[2]);
  if (!frames) return refuse(frames.error());
  if (frames->bytes() > kMaxCallBytes) return refuse(Error::kTooLarge);
  const bool donating = static_cast<Function>(call.function) == Function::kMemoryDonate;
  const base::Status checked = donating ? check_donation(state, slot, *frames) : check_reclaim(slot, *frames);
  if (!checked.ok()) return refuse(checked.error());
  return donating ? donate(*index, slot, *frames) : reclaim(*index, slot, *frames);
}

}  // namespace hypercall
