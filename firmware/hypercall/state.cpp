#include "firmware/hypercall/state.hpp"

#include "firmware/board/budget.hpp"
#include "firmware/hypercall/abi.hpp"

namespace hypercall {

using enclave::Slot;
using enclave::SlotState;
using partition::CoreState;
using partition::Fact;
using partition::FactKind;

[[gnu::noinline, gnu::cold]] void initialise(SystemState& state, FrameStorage& storage) {
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
  state.memory_end = base::address_of(state.frames.end()).value;
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

[[gnu::noinline, gnu::cold]] void end_memory_at(SystemState& state, std::uint64_t end) {
  if (end >= state.memory_end) return;
  for (const board::MemoryRegion& region : board::kBoard.memory) {
    const std::uint64_t present = board::present_bytes(region, end);
    if (present == region.size) continue;
    state.frames.set(base::FrameRange::trusted(base::FrameNumber{(region.base + present) >> base::kFrameShift},
                                               base::FrameCount{(region.size - present) >> base::kFrameShift}),
                     {});
  }
  state.memory_end = end;
}

namespace {

// What the ledger says of the facts that move something between owners; commit() calls it before the move.
enum class Direction : std::uint8_t { kToEnclave, kToParent };

inline void append(SystemState& state, const Fact& fact, measure::LedgerKind kind, Direction direction,
                   std::uint32_t detail, std::uint64_t first, std::uint64_t count) {
  const std::uint8_t enclave = base::partition_of(fact.slot).value;
  const std::uint8_t parent = base::kParent.value;
  const bool to_enclave = direction == Direction::kToEnclave;
  state.ledger.append(
      {kind, to_enclave ? parent : enclave, to_enclave ? enclave : parent, detail, first, count});
}

[[gnu::always_inline]] inline void record_frames(SystemState& state, const Fact& fact, measure::LedgerKind kind,
                                                 Direction direction) {
  append(state, fact, kind, direction, fact.channel.value, fact.frames.first().value, fact.frames.count().value);
}

[[gnu::noinline, gnu::cold]] void record(SystemState& state, const Fact& fact, measure::LedgerKind kind, Direction direction,
                          std::uint32_t detail) {
  append(state, fact, kind, direction, detail, state.slots[fact.slot.value].uid.value, 0);
}

[[nodiscard]] std::uint32_t stream_of(const Fact& fact) { return board::kBoard.devices[fact.device.value].stream.value; }

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

[[gnu::noinline, gnu::cold]] void count_fault(SystemState& state, const Fact& fact) {
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

[[gnu::noinline, gnu::cold]] void give_core(SystemState& state, base::CoreId core, base::PartitionId owner) {
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

[[gnu::noinline]] void commit_one(SystemState& state, const Fact& fact) {
  using measure::LedgerKind;
  using enum Direction;
  Slot& slot = state.slots[fact.slot.value];
  const base::PartitionId enclave = base::partition_of(fact.slot);
  switch (fact.kind) {
    case FactKind::kMemoryDonated:
      record_frames(state, fact, LedgerKind::kDonate, kToEnclave);
      state.frames.set(fact.frames, partition::owned_by(enclave));
      append_region(slot, fact.frames);
      break;
    case FactKind::kMemoryScrubbing:
      state.frames.set(fact.frames, partition::scrubbing_from(enclave));
      shorten(slot, fact.frames);
      slot.scrubbing = fact.frames;
      break;
    case FactKind::kMemoryReturned:
      record_frames(state, fact, LedgerKind::kReclaim, kToParent);
      state.frames.set(fact.frames, partition::owned_by(base::kParent));
      slot.scrubbing = base::FrameRange{};
      break;
    case FactKind::kCoreDonated:
      record(state, fact, LedgerKind::kCoreDonate, kToEnclave, fact.core.value);
      give_core(state, fact.core, enclave);
      break;
    case FactKind::kCoreReturned:
      record(state, fact, LedgerKind::kCoreReclaim, kToParent, fact.core.value);
      give_core(state, fact.core, base::kParent);
      break;
    case FactKind::kCoreState:
      state.cores.at(fact.core).state = static_cast<CoreState>(fact.argument);
      break;
    case FactKind::kDeviceAssigned:
      record(state, fact, LedgerKind::kDeviceAssign, kToEnclave, stream_of(fact));
      give_device(state, fact.device, enclave);
      break;
    case FactKind::kDeviceReturned:
      record(state, fact, LedgerKind::kDeviceRelease, kToParent, stream_of(fact));
      give_device(state, fact.device, base::kParent);
      break;
    case FactKind::kDeviceAccepted: state.devices.accepted[fact.device.value] = true; break;
    case FactKind::kChannelOpened:
      record_frames(state, fact, LedgerKind::kShare, kToEnclave);
      state.frames.set(fact.frames, partition::shared_with(enclave));
      slot.channels[fact.channel.value] = {fact.frames, false, false};
      break;
    case FactKind::kChannelClosed:
      record_frames(state, fact, LedgerKind::kUnshare, kToEnclave);
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
    case FactKind::kSlotRunning:
      record(state, fact, LedgerKind::kEnclaveStart, kToEnclave,
             slot.mode == enclave::Mode::kDebug ? std::uint32_t{cofferdam_abi::kStartDebug} : 0U);
      slot.state = SlotState::kRunning;
      break;
    case FactKind::kSlotStopping:
      slot.state = SlotState::kStopping;
      slot.exit = static_cast<std::uint16_t>(fact.argument);
      break;
    case FactKind::kSlotStopped:
      record(state, fact, LedgerKind::kEnclaveStop, kToParent, slot.exit);
      slot.state = SlotState::kStopped;
      break;
    case FactKind::kSlotFreeing: slot.state = SlotState::kFreeing; break;
    case FactKind::kSlotFreed: enclave::clear(slot); break;
    case FactKind::kSlotBusy: slot.busy = fact.argument != 0; break;
    case FactKind::kNsmBusy: slot.nsm_busy = fact.argument != 0; break;
    case FactKind::kFaultCounted: count_fault(state, fact); break;
  }
}

}  // namespace

void commit(SystemState& state, const partition::Transition& transition) {
  for (const Fact& fact : transition.facts) commit_one(state, fact);
}

}  // namespace hypercall
