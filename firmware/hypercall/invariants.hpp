// Whether a state of the monitor is one that may exist: the invariants of DESIGN section 2 over all tables at once.
//
// Pure, and used by tests only. docs/invariants.md says which test checks which.
#pragma once

#include <optional>
#include <string_view>

#include "firmware/hypercall/state.hpp"
#include "firmware/partition/invariants.hpp"

namespace hypercall {

// Every frame is well formed; a slot's frames are its enclave's alone; each frame outside the parent's belongs to
// exactly one slot, once.
[[nodiscard]] inline bool exclusive(const SystemState& state) {
  std::uint64_t claimed = 0;
  for (std::uint8_t i = 0; i < state.slots.size(); ++i) {
    const enclave::Slot& slot = state.slots[i];
    const base::PartitionId partition = base::partition_of(base::SlotIndex{i});
    std::uint64_t bytes = 0;
    for (const enclave::Region& region : slot.regions) {
      if (!state.frames.all(region.frames, partition::owned_by(partition))) return false;
      claimed += region.frames.count().value;
      bytes += region.frames.bytes();
    }
    if (bytes != slot.memory_bytes) return false;
    if (!slot.scrubbing.empty() && !state.frames.all(slot.scrubbing, partition::scrubbing_from(partition)))
      return false;
    claimed += slot.scrubbing.count().value;
    for (const enclave::Channel& channel : slot.channels) {
      if (channel.frames.empty()) continue;
      if (!state.frames.all(channel.frames, partition::shared_with(partition))) return false;
      claimed += channel.frames.count().value;
    }
  }
  std::uint64_t given = 0;
  for (base::FrameNumber frame = state.frames.first(); frame < state.frames.end(); ++frame.value) {
    const partition::FrameEntry entry = state.frames.at(frame);
    if (!partition::is_well_formed(entry)) return false;
    if (entry.state != partition::FrameState::kNone && entry != partition::owned_by(base::kParent)) ++given;
  }
  return given == claimed;  // every claim was found in the table, so equal numbers mean that none is claimed twice
}

// The boot core is the parent's; an enclave's core is on only while the enclave runs or stops; a free slot has none. A
// core that the machine does not have is nobody's, and off.
[[nodiscard]] inline bool one_core_one_owner(const SystemState& state) {
  for (std::uint8_t i = 0; i < state.cores.count; ++i) {
    const partition::CoreEntry& core = state.cores.entries[i];
    if (board::kBoard.cores[i].boot && core.owner != base::kParent) return false;
    if (core.owner == base::kParent) continue;
    if (core.owner == base::kMonitor && core.state == partition::CoreState::kOff) continue;
    if (!base::is_enclave(core.owner) || base::slot_of(core.owner).value >= state.slots.size()) return false;
    const enclave::SlotState slot = state.slots[base::slot_of(core.owner).value].state;
    if (slot == enclave::SlotState::kFree) return false;
    const bool may_be_on = slot == enclave::SlotState::kRunning || slot == enclave::SlotState::kStopping;
    if (core.state != partition::CoreState::kOff && !may_be_on) return false;
  }
  for (std::uint8_t i = 0; i < state.slots.size(); ++i) {
    if (state.slots[i].state == enclave::SlotState::kFreeing) continue;  // nothing of it runs again
    if (!partition::numbered_without_gap(state.cores, base::partition_of(base::SlotIndex{i}))) return false;
  }
  return true;
}

// A device is the monitor's, the parent's, or that of an enclave that still has its address space.
[[nodiscard]] inline bool dma_confined(const SystemState& state) {
  for (std::uint8_t i = 0; i < state.devices.count; ++i) {
    const base::PartitionId owner = state.devices.owner[i];
    if (!base::is_enclave(owner)) continue;
    if (board::kBoard.devices[i].owner != board::Owner::kAssignable) return false;
    const enclave::SlotState slot = state.slots[base::slot_of(owner).value].state;
    if (slot == enclave::SlotState::kFree || slot == enclave::SlotState::kFreeing) return false;
  }
  return true;
}

// A free slot holds nothing; a slot without an address space shares nothing; what runs or loads has its memory whole.
[[nodiscard]] inline bool slots_are_sound(const SystemState& state) {
  for (const enclave::Slot& slot : state.slots) {
    bool shares = false;
    for (const enclave::Channel& channel : slot.channels) shares = shares || !channel.frames.empty();
    switch (slot.state) {
      case enclave::SlotState::kFree:
        if (slot.memory_bytes != 0 || !slot.scrubbing.empty() || shares || slot.busy || slot.nsm_busy) return false;
        break;
      case enclave::SlotState::kFreeing:
        if (shares) return false;
        break;
      case enclave::SlotState::kLoading:
      case enclave::SlotState::kRunning:
        if (!slot.scrubbing.empty() || slot.memory_bytes == 0) return false;
        break;
      case enclave::SlotState::kInit:
      case enclave::SlotState::kStopping:
      case enclave::SlotState::kStopped:
        break;
    }
  }
  return true;
}

// The name of an invariant that does not hold; none when all do.
[[nodiscard]] inline std::optional<std::string_view> broken_invariant(const SystemState& state) {
  if (!exclusive(state)) return "exclusive";
  if (!one_core_one_owner(state)) return "one-core-one-owner";
  if (!dma_confined(state)) return "dma-confined";
  if (!slots_are_sound(state)) return "slots are sound";
  return std::nullopt;
}

}  // namespace hypercall
