#include "firmware/hypercall/state.hpp"

#include "firmware/hypercall/abi.hpp"

namespace hypercall {

using enclave::Slot;
using enclave::SlotState;
using partition::CoreState;
using partition::Fact;
using partition::FactKind;

void initialise(SystemState& state, FrameStorage& storage) {
  state.frames = partition::FrameTable{base::FrameNumber{board::kFrameTableBase >> base::kFrameShift}, storage.blocks,
                                       storage.frames};
  const auto whole = base::FrameRange::trusted(
      state.frames.first(), base::FrameCount{state.frames.end().value - state.frames.first().value});
  state.frames.set(whole, {});
  for (const board::MemoryRegion& region : board::kBoard.memory) {
    state.frames.set(base::FrameRange::trusted(base::FrameNumber{region.base >> base::kFrameShift},
                                               base::FrameCount{region.size >> base::kFrameShift}),
                     partition::owned_by(base::kParent));
  }
  state.cores.count = static_cast<std::uint8_t>(board::kBoard.cores.size());
  for (std::uint8_t i = 0; i < state.cores.count; ++i) {
    state.cores.entries[i] = {base::kParent, CoreState::kOff, i};
  }
  state.devices.count = static_cast<std::uint8_t>(board::kBoard.devices.size());
  for (std::uint8_t i = 0; i < state.devices.count; ++i) {
    const bool given = board::kBoard.devices[i].owner != board::Owner::kMonitor;
    state.devices.owner[i] = given ? base::kParent : base::kMonitor;
    state.devices.accepted[i] = given && board::kBoard.protections.smmu;
  }
}

base::Result<base::SlotIndex> find_slot(const SystemState& state, std::uint64_t uid) {
  for (std::uint8_t i = 0; i < state.slots.size(); ++i) {
    if (state.slots[i].state != SlotState::kFree && state.slots[i].uid.value == uid) return base::SlotIndex{i};
  }
  return base::Error::kNoSuchSlot;
}

namespace {

// What the ledger says of a fact; kinds that move nothing between owners are not in it.
void record(SystemState& state, const Fact& fact) {
  const std::uint8_t enclave = base::partition_of(fact.slot).value;
  const std::uint8_t parent = base::kParent.value;
  const Slot& slot = state.slots[fact.slot.value];
  using measure::LedgerKind;
  const auto frames = [&](LedgerKind kind, std::uint8_t from, std::uint8_t to) {
    state.ledger.append({kind, from, to, fact.channel.value, fact.frames.first().value, fact.frames.count().value});
  };
  const auto thing = [&](LedgerKind kind, std::uint8_t from, std::uint8_t to, std::uint32_t detail) {
    state.ledger.append({kind, from, to, detail, slot.uid.value, 0});
  };
  const auto stream = [&] { return board::kBoard.devices[fact.device.value].stream.value; };
  switch (fact.kind) {
    case FactKind::kMemoryDonated: return frames(LedgerKind::kDonate, parent, enclave);
    case FactKind::kMemoryReturned: return frames(LedgerKind::kReclaim, enclave, parent);
    case FactKind::kChannelOpened: return frames(LedgerKind::kShare, parent, enclave);
    case FactKind::kChannelClosed: return frames(LedgerKind::kUnshare, parent, enclave);
    case FactKind::kCoreDonated: return thing(LedgerKind::kCoreDonate, parent, enclave, fact.core.value);
    case FactKind::kCoreReturned: return thing(LedgerKind::kCoreReclaim, enclave, parent, fact.core.value);
    case FactKind::kDeviceAssigned: return thing(LedgerKind::kDeviceAssign, parent, enclave, stream());
    case FactKind::kDeviceReturned: return thing(LedgerKind::kDeviceRelease, enclave, parent, stream());
    case FactKind::kSlotRunning:
      return thing(LedgerKind::kEnclaveStart, parent, enclave,
                   slot.mode == enclave::Mode::kDebug ? std::uint32_t{cofferdam_abi::kStartDebug} : 0U);
    case FactKind::kSlotStopped: return thing(LedgerKind::kEnclaveStop, enclave, parent, slot.exit);
    case FactKind::kMemoryScrubbing:
    case FactKind::kDeviceAccepted:
    case FactKind::kCoreState:
    case FactKind::kChannelNotified:
    case FactKind::kChannelSeen:
    case FactKind::kSlotAllocated:
    case FactKind::kSlotLoading:
    case FactKind::kSlotLoadFailed:
    case FactKind::kSlotStopping:
    case FactKind::kSlotFreeing:
    case FactKind::kSlotFreed:
    case FactKind::kSlotBusy:
    case FactKind::kNsmBusy:
    case FactKind::kFaultCounted: return;
  }
}

// Appends, or lengthens the last region when the frames go on where it ends.
void append_region(Slot& slot, base::FrameRange frames) {
  slot.memory_bytes += frames.bytes();
  if (!slot.regions.empty() && slot.regions.back().frames.end() == frames.first()) {
    base::FrameRange& last = slot.regions.back().frames;
    last = base::FrameRange::trusted(last.first(), base::FrameCount{last.count().value + frames.count().value});
    return;
  }
  // The plan checked that there is room.
  static_cast<void>(slot.regions.push({frames}).ok());
}

// Takes frames off the end of the last region.
void shorten(Slot& slot, base::FrameRange frames) {
  base::FrameRange& last = slot.regions.back().frames;
  slot.memory_bytes -= frames.bytes();
  if (last.count() == frames.count()) {
    slot.regions.pop();
  } else {
    last = base::FrameRange::trusted(last.first(), base::FrameCount{last.count().value - frames.count().value});
  }
}

void count_fault(SystemState& state, const Fact& fact) {
  const base::PartitionId partition{static_cast<std::uint8_t>(fact.argument)};
  switch (static_cast<cofferdam_abi::FaultCounter>(fact.detail)) {
    case cofferdam_abi::FaultCounter::kStage2: ++state.counters.stage2_faults; break;
    case cofferdam_abi::FaultCounter::kDma: ++state.counters.dma_faults; return;
    case cofferdam_abi::FaultCounter::kUndefined: ++state.counters.undefined; break;
    case cofferdam_abi::FaultCounter::kRefusedCalls: ++state.counters.refused_calls; return;
  }
  if (base::is_enclave(partition)) ++state.slots[base::slot_of(partition).value].faults;
}

void give_device(SystemState& state, base::DeviceIndex device, base::PartitionId owner) {
  state.devices.owner[device.value] = owner;
  state.devices.accepted[device.value] = false;
}

void give_core(SystemState& state, base::CoreId core, base::PartitionId owner) {
  partition::CoreEntry& entry = state.cores.at(core);
  std::uint8_t number = core.value;  // the parent sees its cores as they are
  if (base::is_enclave(owner)) {
    number = 0;
    for (std::uint8_t i = 0; i < state.cores.count; ++i) {
      if (state.cores.entries[i].owner == owner) ++number;
    }
  }
  entry = {owner, CoreState::kOff, number};
}

}  // namespace

void commit(SystemState& state, const partition::Transition& transition) {
  for (const Fact& fact : transition.facts) {
    Slot& slot = state.slots[fact.slot.value];
    const base::PartitionId enclave = base::partition_of(fact.slot);
    record(state, fact);
    switch (fact.kind) {
      case FactKind::kMemoryDonated:
        state.frames.set(fact.frames, partition::owned_by(enclave));
        append_region(slot, fact.frames);
        break;
      case FactKind::kMemoryScrubbing:
        state.frames.set(fact.frames, partition::scrubbing_from(enclave));
        shorten(slot, fact.frames);
        slot.scrubbing = fact.frames;
        break;
      case FactKind::kMemoryReturned:
        state.frames.set(fact.frames, partition::owned_by(base::kParent));
        slot.scrubbing = base::FrameRange{};
        break;
      case FactKind::kCoreDonated: give_core(state, fact.core, enclave); break;
      case FactKind::kCoreReturned: give_core(state, fact.core, base::kParent); break;
      case FactKind::kCoreState:
        state.cores.at(fact.core).state = static_cast<CoreState>(fact.argument);
        break;
      case FactKind::kDeviceAssigned: give_device(state, fact.device, enclave); break;
      case FactKind::kDeviceReturned: give_device(state, fact.device, base::kParent); break;
      case FactKind::kDeviceAccepted: state.devices.accepted[fact.device.value] = true; break;
      case FactKind::kChannelOpened:
        state.frames.set(fact.frames, partition::shared_with(enclave));
        slot.channels[fact.channel.value] = {fact.frames, false, false};
        break;
      case FactKind::kChannelClosed:
        state.frames.set(fact.frames, partition::owned_by(base::kParent));
        slot.channels[fact.channel.value] = {};
        break;
      case FactKind::kChannelNotified:
        (fact.argument == 0 ? slot.channels[fact.channel.value].parent_pending
                            : slot.channels[fact.channel.value].enclave_pending) = true;
        break;
      case FactKind::kChannelSeen:
        for (enclave::Channel& channel : slot.channels) {
          (fact.argument == 0 ? channel.parent_pending : channel.enclave_pending) = false;
        }
        break;
      case FactKind::kSlotAllocated:
        slot.state = SlotState::kInit;
        slot.uid = base::SlotUid{fact.argument};
        state.last_uid = fact.argument;
        break;
      case FactKind::kSlotLoading:
        slot.state = SlotState::kLoading;
        slot.image_offset = fact.argument;
        slot.mode = (fact.ipa.value & cofferdam_abi::kStartDebug) != 0 ? enclave::Mode::kDebug
                                                                       : enclave::Mode::kProduction;
        slot.cid = fact.detail;
        break;
      case FactKind::kSlotLoadFailed: slot.state = SlotState::kInit; break;
      case FactKind::kSlotRunning: slot.state = SlotState::kRunning; break;
      case FactKind::kSlotStopping:
        slot.state = SlotState::kStopping;
        slot.exit = static_cast<std::uint16_t>(fact.argument);
        break;
      case FactKind::kSlotStopped: slot.state = SlotState::kStopped; break;
      case FactKind::kSlotFreeing: slot.state = SlotState::kFreeing; break;
      case FactKind::kSlotFreed: enclave::clear(slot); break;
      case FactKind::kSlotBusy: slot.busy = fact.argument != 0; break;
      case FactKind::kNsmBusy: slot.nsm_busy = fact.argument != 0; break;
      case FactKind::kFaultCounted: count_fault(state, fact); break;
    }
  }
}

}  // namespace hypercall
