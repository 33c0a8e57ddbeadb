// kChannelOpen, kChannelClose, kChannelNotify, kChannelInfo, kChannelPending.
#include "firmware/hypercall/plan.hpp"
#include "firmware/partition/transitions.hpp"

namespace hypercall {

using base::ChannelIndex;
using base::Error;
using base::FrameRange;
using enclave::Slot;
using enclave::SlotState;
using partition::Fact;
using partition::FactKind;

namespace {

[[nodiscard]] base::Result<ChannelIndex> open_channel(const Slot& slot, std::uint64_t number) {
  if (number >= slot.channels.size() || slot.channels[number].frames.empty()) return Error::kNoSuchChannel;
  return ChannelIndex{static_cast<std::uint8_t>(number)};
}

[[nodiscard]] Transition open(const SystemState& state, const Call& call) {
  const auto slot_index = find_slot(state, call.arguments[0]);
  if (!slot_index) return refuse(slot_index.error());
  const Slot& slot = state.slots[slot_index->value];
  if (slot.state != SlotState::kInit && slot.state != SlotState::kRunning) return refuse(Error::kWrongState);
  const auto frames = FrameRange::from_bytes(call.arguments[1], call.arguments[2]);
  if (!frames) return refuse(frames.error());
  if (frames->bytes() > enclave::kChannelWindow) return refuse(Error::kTooLarge);
  if (const auto owned = partition::check_parents(state.frames, *frames); !owned) return refuse(owned.error());
  for (std::uint8_t i = 0; i < slot.channels.size(); ++i) {
    if (!slot.channels[i].frames.empty()) continue;
    const ChannelIndex channel{i};
    Transition transition;
    partition::plan_share(transition, *slot_index, channel, *frames, enclave::channel_ipa(channel));
    transition.reply.values[0] = i;
    transition.reply.values[1] = enclave::channel_ipa(channel).value;
    return transition;
  }
  return refuse(Error::kNoChannels);
}

[[nodiscard]] Transition close(const SystemState& state, const Call& call) {
  const auto slot_index = find_slot(state, call.arguments[0]);
  if (!slot_index) return refuse(slot_index.error());
  const Slot& slot = state.slots[slot_index->value];
  if (slot.state == SlotState::kFreeing) return refuse(Error::kWrongState);  // its channels are closed
  const auto channel = open_channel(slot, call.arguments[1]);
  if (!channel) return refuse(channel.error());
  Transition transition;
  partition::plan_unshare(transition, *slot_index, *channel, slot.channels[channel->value].frames,
                          enclave::channel_ipa(*channel));
  return transition;
}

[[nodiscard]] Transition notify(const SystemState& state, const Caller& caller, const Call& call) {
  base::SlotIndex slot_index{};
  if (caller.is_parent()) {
    const auto found = find_slot(state, call.arguments[0]);
    if (!found) return refuse(found.error());
    slot_index = *found;
  } else {
    slot_index = caller.slot();
  }
  const auto channel = open_channel(state.slots[slot_index.value], call.arguments[1]);
  if (!channel) return refuse(channel.error());
  Transition transition;
  // A running peer is interrupted; one that polls kChannelPending finds the bit.
  const base::PartitionId peer = caller.is_parent() ? base::partition_of(slot_index) : base::kParent;
  if (state.cores.active(peer) != 0) {
    transition.add(base::Effect{.kind = base::EffectKind::kInjectInterrupt, .partition = peer,
                                .intid = base::Intid{cofferdam_abi::kDoorbell}});
  }
  transition.add(Fact{.kind = FactKind::kChannelNotified, .slot = slot_index, .channel = *channel,
                      .argument = caller.is_parent() ? 1U : 0U});
  return transition;
}

[[nodiscard]] Transition info(const SystemState& state, const Caller& caller, const Call& call) {
  const Slot& slot = state.slots[caller.slot().value];
  const auto channel = open_channel(slot, call.arguments[0]);
  if (!channel) return refuse(channel.error());
  Transition transition;
  transition.reply.values[0] = enclave::channel_ipa(*channel).value;
  transition.reply.values[1] = slot.channels[channel->value].frames.bytes();
  return transition;
}

[[nodiscard]] Transition pending(const SystemState& state, const Caller& caller, const Call& call) {
  base::SlotIndex slot_index{};
  if (caller.is_parent()) {
    const auto found = find_slot(state, call.arguments[0]);
    if (!found) return refuse(found.error());
    slot_index = *found;
  } else {
    slot_index = caller.slot();
  }
  Transition transition;
  const Slot& slot = state.slots[slot_index.value];
  for (std::size_t i = 0; i < slot.channels.size(); ++i) {
    const bool is_pending = caller.is_parent() ? slot.channels[i].parent_pending : slot.channels[i].enclave_pending;
    if (is_pending) transition.reply.values[0] |= std::uint64_t{1} << i;
  }
  transition.add(
      Fact{.kind = FactKind::kChannelSeen, .slot = slot_index, .argument = caller.is_parent() ? 0U : 1U});
  return transition;
}

}  // namespace

Transition plan_channel_call(const SystemState& state, const Caller& caller, const Call& call) {
  switch (static_cast<Function>(call.function)) {
    case Function::kChannelOpen: return caller.is_parent() ? open(state, call) : refuse(Error::kNotSupported);
    case Function::kChannelClose: return caller.is_parent() ? close(state, call) : refuse(Error::kNotSupported);
    case Function::kChannelNotify: return notify(state, caller, call);
    case Function::kChannelInfo:
      return caller.is_parent() ? refuse(Error::kNotSupported) : info(state, caller, call);
    case Function::kChannelPending: return pending(state, caller, call);
    default: return refuse(Error::kNotSupported);  // the dispatcher sends nothing else here
  }
}

}  // namespace hypercall
