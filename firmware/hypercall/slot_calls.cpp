// An enclave's life: kSlotAllocate, kSlotStart, kSlotStop, kSlotFree, kSlotInfo, kSlotCount, kSlotNext, and what the
// enclave itself asks: kEnclaveExit, kNsmRequest.
#include "firmware/hypercall/plan.hpp"
#include "firmware/hypercall/status.hpp"
#include "firmware/partition/transitions.hpp"

namespace hypercall {

using base::Effect;
using base::EffectKind;
using base::Error;
using base::SlotIndex;
using enclave::ExitReason;
using enclave::Slot;
using enclave::SlotState;
using partition::Fact;
using partition::FactKind;
using partition::WorkKind;

namespace {

// uid: creation time in the upper 48 bits as on Nitro (module_id shows it), then random; unique and ascending.
[[nodiscard]] Transition allocate(const SystemState& state, const Moment& moment) {
  for (std::uint8_t i = 0; i < state.slots.size(); ++i) {
    if (state.slots[i].state != SlotState::kFree) continue;
    const SlotIndex slot{i};
    std::uint64_t uid = moment.unix_milliseconds << 16 | moment.random;
    if (uid <= state.last_uid) uid = state.last_uid + 1;
    Transition transition;
    transition.add(Effect{.kind = EffectKind::kCreateStage2, .partition = base::partition_of(slot)});
    transition.add(Fact{.kind = FactKind::kSlotAllocated, .slot = slot, .argument = uid});
    transition.reply.values[0] = uid;
    return transition;
  }
  return refuse(Error::kNoSlots);
}

[[nodiscard]] Transition in_progress() {
  Transition transition;
  transition.reply.status = partition::status_of(Error::kInProgress);
  return transition;
}

// CIDs 0..3 and the top two are reserved (Linux include/uapi/linux/vm_sockets.h; nitro_enclaves.h).
[[nodiscard]] bool is_reserved(std::uint64_t cid) { return cid < 4 || cid >= 0xFFFF'FFFE; }

[[nodiscard]] Transition start(const SystemState& state, const Call& call) {
  const auto slot_index = find_slot(state, call.arguments[0]);
  if (!slot_index) return refuse(slot_index.error());
  const Slot& slot = state.slots[slot_index->value];
  const bool startable = slot.state == SlotState::kLoading || slot.state == SlotState::kInit;
  if (!startable) return refuse(Error::kWrongState);
  if (slot.busy) return refuse(Error::kBusy);
  Transition transition;
  transition.work = {WorkKind::kLoad, *slot_index, {}};
  transition.add(Fact{.kind = FactKind::kSlotBusy, .slot = *slot_index, .argument = 1});
  if (slot.state == SlotState::kLoading) return transition;  // the next step of what began before
  if (!slot.scrubbing.empty()) return refuse(Error::kWrongState);  // a reclaim is not finished
  const auto [flags, cid, offset] = std::array{call.arguments[1], call.arguments[2], call.arguments[3]};
  if ((flags & ~cofferdam_abi::kStartDebug) != 0 || is_reserved(cid)) return refuse(Error::kInvalidArgument);
  for (const Slot& other : state.slots) {
    const bool has_cid = other.state == SlotState::kLoading || other.state == SlotState::kRunning ||
                         other.state == SlotState::kStopping;  // its vsock device goes with its last core
    if (has_cid && other.cid == cid) return refuse(Error::kInvalidArgument);
  }
  if (!base::is_aligned(offset, base::kFrameSize)) return refuse(Error::kUnaligned);
  if (state.cores.owned_by(base::partition_of(*slot_index)) == 0) return refuse(Error::kNoSuchCore);
  if (slot.memory_bytes < board::kBoard.limits.enclave_memory_min) return refuse(Error::kNoMemory);
  if (offset >= slot.memory_bytes) return refuse(Error::kOutOfRange);
  transition.add(Fact{.kind = FactKind::kSlotLoading, .slot = *slot_index, .detail = static_cast<std::uint32_t>(cid),
                      .ipa = base::Ipa{flags}, .argument = offset});
  return transition;
}

// Every active core leaves; the last one that has left makes the slot kStopped (plan_core_left).
void add_stop(Transition& transition, const SystemState& state, SlotIndex slot, ExitReason reason, std::uint8_t code) {
  const partition::CoreMask active = state.cores.active(base::partition_of(slot));
  const auto exit = static_cast<std::uint64_t>((unsigned{static_cast<std::uint8_t>(reason)} << 8) | code);
  transition.add(Effect{.kind = EffectKind::kStopCores, .argument = active});
  transition.add(Fact{.kind = FactKind::kSlotStopping, .slot = slot, .argument = exit});
  if (active == 0) transition.add(Fact{.kind = FactKind::kSlotStopped, .slot = slot});
}

[[nodiscard]] Transition stop(const SystemState& state, const Call& call) {
  const auto slot_index = find_slot(state, call.arguments[0]);
  if (!slot_index) return refuse(slot_index.error());
  const Slot& slot = state.slots[slot_index->value];
  switch (slot.state) {
    case SlotState::kStopped: return {};
    case SlotState::kStopping: return in_progress();
    case SlotState::kLoading:
    case SlotState::kRunning: {
      if (slot.busy) return refuse(Error::kBusy);
      Transition transition = in_progress();
      add_stop(transition, state, *slot_index, ExitReason::kStoppedByParent, 0);
      return transition;
    }
    case SlotState::kFree:
    case SlotState::kInit:
    case SlotState::kFreeing: return refuse(Error::kWrongState);
  }
  return refuse(Error::kInternal);
}

// One bounded step a call, in the order: devices, channels, address space, memory, cores, the slot itself.
[[nodiscard]] Transition free(const SystemState& state, const Call& call) {
  const auto slot_index = find_slot(state, call.arguments[0]);
  if (!slot_index) return refuse(slot_index.error());
  const Slot& slot = state.slots[slot_index->value];
  const base::PartitionId enclave = base::partition_of(*slot_index);
  if (slot.state != SlotState::kInit && slot.state != SlotState::kStopped && slot.state != SlotState::kFreeing) {
    return refuse(Error::kWrongState);
  }
  if (slot.busy || slot.nsm_busy) return refuse(Error::kBusy);
  Transition transition = in_progress();
  for (std::uint8_t i = 0; i < state.devices.count; ++i) {
    if (state.devices.owner[i] != enclave) continue;
    add_device_move(transition, state, base::DeviceIndex{i}, enclave, base::kParent);
    transition.add(Fact{.kind = FactKind::kDeviceReturned, .slot = *slot_index, .device = base::DeviceIndex{i}});
    return transition;
  }
  for (std::uint8_t i = 0; i < slot.channels.size(); ++i) {
    if (slot.channels[i].frames.empty()) continue;
    const base::ChannelIndex channel{i};
    partition::plan_unshare(transition, *slot_index, channel, slot.channels[i].frames, enclave::channel_ipa(channel));
    return transition;
  }
  if (slot.state != SlotState::kFreeing) {
    transition.add(Effect{.kind = EffectKind::kDestroyStage2, .partition = enclave});
    transition.add(Fact{.kind = FactKind::kSlotFreeing, .slot = *slot_index});
    return transition;
  }
  if (!slot.scrubbing.empty() || !slot.regions.empty()) {
    base::FrameRange piece = slot.scrubbing;  // what an earlier call could not finish comes first
    if (piece.empty()) {
      const base::FrameRange& last = slot.regions.back().frames;
      const std::uint64_t most = board::kBoard.limits.scrub_chunk >> base::kFrameShift;
      const std::uint64_t count = last.count().value < most ? last.count().value : most;
      piece = base::FrameRange::trusted(base::FrameNumber{last.end().value - count}, base::FrameCount{count});
      transition.add(Fact{.kind = FactKind::kMemoryScrubbing, .slot = *slot_index, .frames = piece});
    }
    transition.work = {WorkKind::kScrub, *slot_index, piece};
    transition.add(Fact{.kind = FactKind::kSlotBusy, .slot = *slot_index, .argument = 1});
    return transition;
  }
  if (const partition::CoreMask cores = state.cores.owned_by(enclave); cores != 0) {
    const base::CoreId core{static_cast<std::uint8_t>(__builtin_ctzll(cores))};
    transition.add(Fact{.kind = FactKind::kCoreReturned, .slot = *slot_index, .core = core});
    return transition;
  }
  transition.work = {WorkKind::kForget, *slot_index, {}};
  transition.add(Fact{.kind = FactKind::kSlotFreed, .slot = *slot_index});
  transition.reply.status = 0;
  return transition;
}

[[nodiscard]] Transition info(const SystemState& state, const Call& call) {
  const auto slot_index = find_slot(state, call.arguments[0]);
  if (!slot_index) return refuse(slot_index.error());
  const Slot& slot = state.slots[slot_index->value];
  const auto cores =
      static_cast<unsigned>(__builtin_popcountll(state.cores.owned_by(base::partition_of(*slot_index))));
  Transition transition;
  transition.reply.values[0] = std::uint64_t{static_cast<std::uint16_t>(published(slot.state))} |
                               (slot.mode == enclave::Mode::kDebug ? cofferdam_abi::kStartDebug << 16 : 0) |
                               std::uint64_t{slot.exit} << 32;
  transition.reply.values[1] = cores | std::uint64_t{slot.regions.size()} << 32;
  transition.reply.values[2] = slot.memory_bytes;
  return transition;
}

[[nodiscard]] Transition count(const SystemState& state) {
  Transition transition;
  for (const Slot& slot : state.slots) transition.reply.values[0] += slot.state != SlotState::kFree ? 1 : 0;
  transition.reply.values[1] = state.slots.size();
  return transition;
}

[[nodiscard]] Transition next(const SystemState& state, const Call& call) {
  Transition transition;
  std::uint64_t& best = transition.reply.values[0];
  for (const Slot& slot : state.slots) {
    const std::uint64_t uid = slot.uid.value;
    if (slot.state != SlotState::kFree && uid > call.arguments[0] && (best == 0 || uid < best)) best = uid;
  }
  return transition;
}

[[nodiscard]] Transition exit(const SystemState& state, const Caller& caller, const Call& call) {
  if (call.arguments[0] > 255) return refuse(Error::kInvalidArgument);
  Transition transition;
  transition.caller_core = partition::CallerCore::kLeavesGuest;
  if (state.slots[caller.slot().value].state == SlotState::kRunning) {
    add_stop(transition, state, caller.slot(), ExitReason::kExited, static_cast<std::uint8_t>(call.arguments[0]));
  }
  return transition;
}

[[nodiscard]] Transition nsm(const SystemState& state, const Caller& caller, const Call& call) {
  const Slot& slot = state.slots[caller.slot().value];
  if (slot.nsm_busy) return refuse(Error::kBusy);
  const auto [request, length, response, capacity, unused1, unused2] = call.arguments;
  if (length == 0) return refuse(Error::kInvalidArgument);
  if (length > cofferdam_abi::kNsmRequestMax || capacity > cofferdam_abi::kNsmResponseMax) {
    return refuse(Error::kTooLarge);
  }
  const std::uint64_t start = board::kBoard.enclave_ram_base;
  const auto inside = [&](std::uint64_t address, std::uint64_t size) {
    return address >= start && address - start <= slot.memory_bytes && size <= slot.memory_bytes - (address - start);
  };
  if (!inside(request, length) || !inside(response, capacity)) return refuse(Error::kNotOwned);
  Transition transition;
  transition.work = {WorkKind::kNsm, caller.slot(), {}};
  transition.add(Fact{.kind = FactKind::kNsmBusy, .slot = caller.slot(), .argument = 1});
  return transition;
}

}  // namespace

Transition plan_slot_call(const SystemState& state, const Caller& caller, const Call& call, const Moment& moment) {
  const auto function = static_cast<Function>(call.function);
  if (!caller.is_parent()) {
    if (function == Function::kEnclaveExit) return exit(state, caller, call);
    if (function == Function::kNsmRequest) return nsm(state, caller, call);
    return refuse(Error::kNotSupported);
  }
  switch (function) {
    case Function::kSlotAllocate: return allocate(state, moment);
    case Function::kSlotFree: return free(state, call);
    case Function::kSlotStart: return start(state, call);
    case Function::kSlotStop: return stop(state, call);
    case Function::kSlotInfo: return info(state, call);
    case Function::kSlotCount: return count(state);
    case Function::kSlotNext: return next(state, call);
    default: return refuse(Error::kNotSupported);
  }
}

Transition plan_scrubbed(const SystemState& state, SlotIndex slot) {
  const Slot& target = state.slots[slot.value];
  Transition transition;
  if (target.state == SlotState::kFreeing) transition.reply.status = partition::status_of(Error::kInProgress);
  partition::plan_return(transition, slot, target.scrubbing);
  transition.add(Fact{.kind = FactKind::kSlotBusy, .slot = slot});
  return transition;
}

Transition plan_load_step(const SystemState& state, SlotIndex slot, LoadOutcome outcome, base::Ipa entry,
                          base::Ipa device_tree, Error error, std::uint8_t image_error) {
  Transition transition;
  transition.add(Fact{.kind = FactKind::kSlotBusy, .slot = slot});
  if (state.slots[slot.value].state != SlotState::kLoading) {  // the machine is ending: plan_terminate was here
    transition.reply.status = partition::status_of(Error::kWrongState);
    return transition;
  }
  switch (outcome) {
    case LoadOutcome::kMore: transition.reply.status = partition::status_of(Error::kInProgress); break;
    case LoadOutcome::kRefusedUntouched:
      transition.reply.status = partition::status_of(error);
      transition.reply.values[0] = image_error;
      transition.add(Fact{.kind = FactKind::kSlotLoadFailed, .slot = slot});
      break;
    case LoadOutcome::kRefusedTouched:
      transition.reply.status = partition::status_of(error);
      transition.reply.values[0] = image_error;
      add_stop(transition, state, slot, ExitReason::kLoadFailed, 0);
      break;
    case LoadOutcome::kReady: {
      const base::PartitionId enclave = base::partition_of(slot);
      for (std::uint8_t i = 0; i < state.cores.count; ++i) {
        const partition::CoreEntry& core = state.cores.entries[i];
        if (core.owner != enclave || core.number != 0) continue;
        transition.add(Effect{.kind = EffectKind::kStartCore, .partition = enclave, .core = base::CoreId{i},
                              .ipa = entry, .argument = device_tree.value});
        transition.add(Fact{.kind = FactKind::kCoreState, .core = base::CoreId{i},
                            .argument = static_cast<std::uint64_t>(partition::CoreState::kRunning)});
      }
      transition.add(Fact{.kind = FactKind::kSlotRunning, .slot = slot});
      transition.reply.values[0] = state.slots[slot.value].cid;
      break;
    }
  }
  return transition;
}

Transition plan_core_left(const SystemState& state, base::CoreId core) {
  const partition::CoreEntry& entry = state.cores.at(core);
  Transition transition;
  transition.add(Fact{.kind = FactKind::kCoreState, .core = core,
                      .argument = static_cast<std::uint64_t>(partition::CoreState::kOff)});
  if (!base::is_enclave(entry.owner)) return transition;
  const SlotIndex slot = base::slot_of(entry.owner);
  const SlotState slot_state = state.slots[slot.value].state;
  const bool last = state.cores.active(entry.owner) == partition::CoreMask{1} << core.value;
  if (!last || (slot_state != SlotState::kRunning && slot_state != SlotState::kStopping)) return transition;
  if (slot_state == SlotState::kRunning) {  // its last core switched itself off: nothing can wake it again
    transition.add(Fact{.kind = FactKind::kSlotStopping, .slot = slot,
                        .argument = std::uint64_t{static_cast<std::uint8_t>(ExitReason::kExited)} << 8});
  }
  transition.add(Fact{.kind = FactKind::kSlotStopped, .slot = slot});
  return transition;
}

Transition plan_fault(const SystemState& state, const Caller& caller, cofferdam_abi::FaultCounter kind) {
  Transition transition;
  transition.add(Fact{.kind = FactKind::kFaultCounted, .detail = static_cast<std::uint32_t>(kind),
                      .argument = caller.partition().value});
  if (caller.is_parent()) return transition;
  const Slot& slot = state.slots[caller.slot().value];
  if (slot.faults + 1 < kFaultLimit || slot.state != SlotState::kRunning) return transition;
  add_stop(transition, state, caller.slot(), ExitReason::kFaults, static_cast<std::uint8_t>(kind));
  transition.caller_core = partition::CallerCore::kLeavesGuest;
  return transition;
}

Transition plan_terminate(const SystemState& state, SlotIndex slot) {
  Transition transition;
  const SlotState slot_state = state.slots[slot.value].state;
  if (slot_state == SlotState::kRunning || slot_state == SlotState::kLoading) {
    add_stop(transition, state, slot, ExitReason::kStoppedByParent, 0);
  }
  return transition;
}

Transition plan_silence_parent(const SystemState& state) {
  Transition transition;
  const partition::CoreMask active = state.cores.active(base::kParent);
  if (active != 0) transition.add(Effect{.kind = EffectKind::kStopCores, .argument = active});
  return transition;
}

}  // namespace hypercall
