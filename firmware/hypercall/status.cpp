#include "firmware/hypercall/status.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "firmware/board/budget.hpp"

namespace hypercall {

using cofferdam_abi::StatusSection;

namespace {

[[nodiscard]] constexpr cofferdam_abi::StatusHead head_of(std::size_t size) {
  return {static_cast<std::uint32_t>(size), cofferdam_abi::kStatusVersion};
}

[[nodiscard]] std::uint32_t ones(partition::CoreMask mask) {
  return static_cast<std::uint32_t>(__builtin_popcountll(mask));
}

[[nodiscard]] cofferdam_abi::VersionStatus version(const StatusFacts& facts) {
  cofferdam_abi::VersionStatus status{.head = head_of(sizeof status),
                                      .abi = cofferdam_abi::kAbiMajor << 16 | cofferdam_abi::kAbiMinor,
                                      .security_version = facts.security_version,
                                      .development = facts.development ? 1U : 0U};
  std::copy_n(board::kBoard.name.begin(), std::min(board::kBoard.name.size(), sizeof status.board - 1), status.board);
  std::copy(board::kBoard.digest.begin(), board::kBoard.digest.end(), status.board_digest);
  return status;
}

[[nodiscard]] cofferdam_abi::MachineStatus machine(const SystemState& state, const StatusFacts& facts) {
  cofferdam_abi::MachineStatus status{.head = head_of(sizeof status),
                                      .uptime_milliseconds = facts.uptime_milliseconds,
                                      .unix_milliseconds = facts.unix_milliseconds,
                                      .memory_bytes = board::present_bytes(board::kBoard, state.memory_end),
                                      .monitor_bytes = board::kBoard.monitor.size};
  for (const enclave::Slot& slot : state.slots) {
    if (slot.state == enclave::SlotState::kFree) continue;
    ++status.slots_in_use;
    status.enclave_bytes += slot.memory_bytes;
    status.scrubbing_bytes += slot.scrubbing.bytes();
    for (const enclave::Channel& channel : slot.channels) status.shared_bytes += channel.frames.bytes();
  }
  status.parent_bytes = status.memory_bytes - status.enclave_bytes - status.scrubbing_bytes;
  // A core that the board could have and this machine has not is the monitor's, which means nobody's.
  status.cores = state.cores.count - ones(state.cores.owned_by(base::kMonitor));
  status.parent_cores = ones(state.cores.owned_by(base::kParent));
  status.enclave_cores = status.cores - status.parent_cores;
  return status;
}

// How often an enclave's core comes to the monitor is a picture of what it computes: the parent is not shown it.
[[nodiscard]] cofferdam_abi::CounterStatus counters(const SystemState& state, const StatusFacts& facts,
                                                    std::uint64_t core) {
  const base::PartitionId owner = state.cores.entries[core].owner;
  const bool parents = owner == base::kParent;
  cofferdam_abi::CounterStatus status{
      .head = head_of(sizeof status),
      .mpidr = board::kBoard.cores[core].mpidr,
      .owner = owner == base::kMonitor ? 0U : parents ? 1U : 2U,
      .faults = {state.counters.stage2_faults, state.counters.dma_faults, state.counters.undefined,
                 state.counters.refused_calls}};
  if (parents && core < facts.traps.size()) status.traps = facts.traps[core];
  return status;
}

[[nodiscard]] cofferdam_abi::DmaFaultStatus dma_fault(const SystemState& state, std::uint64_t index) {
  const DmaFaults::Fault& fault = state.dma_faults.at(index);
  return {.head = head_of(sizeof(cofferdam_abi::DmaFaultStatus)),
          .sequence = state.dma_faults.sequence_of(index),
          .uptime_milliseconds = fault.uptime_milliseconds,
          .address = fault.address,
          .stream = fault.stream.value,
          .type = fault.type,
          .write = fault.write ? 1U : 0U};
}

[[nodiscard]] cofferdam_abi::EventStatus event(const SystemState& state, std::uint64_t index) {
  const measure::Event& logged = state.platform.events()[index];
  cofferdam_abi::EventStatus status{.head = head_of(sizeof status), .pcr = logged.pcr};
  std::copy(logged.name.begin(), logged.name.end(), status.name);
  std::copy(logged.digest.begin(), logged.digest.end(), status.digest);
  return status;
}

[[nodiscard]] cofferdam_abi::SlotStatus slot_in_use(const SystemState& state, std::uint64_t index) {
  cofferdam_abi::SlotStatus status{.head = head_of(sizeof status)};
  for (std::uint8_t i = 0; i < state.slots.size(); ++i) {
    const enclave::Slot& slot = state.slots[i];
    if (slot.state == enclave::SlotState::kFree || index-- != 0) continue;
    status.uid = slot.uid.value;
    status.cid = slot.cid;
    status.memory_bytes = slot.memory_bytes;
    status.cores = ones(state.cores.owned_by(base::partition_of(base::SlotIndex{i})));
    status.state = static_cast<std::uint16_t>(published(slot.state));
    status.exit = slot.exit;
    if (slot.mode == enclave::Mode::kDebug) status.flags = static_cast<std::uint32_t>(cofferdam_abi::kStartDebug);
    for (const enclave::Channel& channel : slot.channels) status.channels += channel.frames.empty() ? 0 : 1;
    break;
  }
  return status;
}

template <typename Entry>
[[nodiscard]] base::Bytes put(const Entry& entry, std::span<std::uint8_t, kMaxStatusSize> buffer) {
  // Without padding: every byte that leaves is one of a field.
  static_assert(sizeof(Entry) <= kMaxStatusSize && std::has_unique_object_representations_v<Entry>);
  std::memcpy(buffer.data(), &entry, sizeof entry);
  return base::Bytes{buffer}.first(sizeof entry);
}

}  // namespace

cofferdam_abi::SlotState published(enclave::SlotState state) {
  switch (state) {
    case enclave::SlotState::kFree:
    case enclave::SlotState::kInit: return cofferdam_abi::SlotState::kInit;
    case enclave::SlotState::kLoading: return cofferdam_abi::SlotState::kLoading;
    case enclave::SlotState::kRunning: return cofferdam_abi::SlotState::kRunning;
    case enclave::SlotState::kStopping: return cofferdam_abi::SlotState::kStopping;
    case enclave::SlotState::kStopped:
    case enclave::SlotState::kFreeing: return cofferdam_abi::SlotState::kStopped;
  }
  return cofferdam_abi::SlotState::kStopped;
}

base::Result<std::uint64_t> status_size(std::uint64_t section) {
  switch (static_cast<StatusSection>(section)) {
    case StatusSection::kVersion: return sizeof(cofferdam_abi::VersionStatus);
    case StatusSection::kMachine: return sizeof(cofferdam_abi::MachineStatus);
    case StatusSection::kCounters: return sizeof(cofferdam_abi::CounterStatus);
    case StatusSection::kDmaFaults: return sizeof(cofferdam_abi::DmaFaultStatus);
    case StatusSection::kEventLog: return sizeof(cofferdam_abi::EventStatus);
    case StatusSection::kSlots: return sizeof(cofferdam_abi::SlotStatus);
  }
  return base::Error::kInvalidArgument;
}

std::uint64_t status_entries(const SystemState& state, std::uint64_t section) {
  switch (static_cast<StatusSection>(section)) {
    case StatusSection::kVersion:
    case StatusSection::kMachine: return 1;
    case StatusSection::kCounters: return state.cores.count;
    case StatusSection::kDmaFaults: return state.dma_faults.count();
    case StatusSection::kEventLog: return state.platform.events().size();
    case StatusSection::kSlots: {
      const auto in_use = [](const enclave::Slot& slot) { return slot.state != enclave::SlotState::kFree; };
      return static_cast<std::uint64_t>(std::count_if(state.slots.begin(), state.slots.end(), in_use));
    }
  }
  return 0;
}

base::Bytes write_status(const SystemState& state, const StatusFacts& facts, std::uint64_t section,
                         std::uint64_t index, std::span<std::uint8_t, kMaxStatusSize> buffer) {
  switch (static_cast<StatusSection>(section)) {
    case StatusSection::kVersion: return put(version(facts), buffer);
    case StatusSection::kMachine: return put(machine(state, facts), buffer);
    case StatusSection::kCounters: return put(counters(state, facts, index), buffer);
    case StatusSection::kDmaFaults: return put(dma_fault(state, index), buffer);
    case StatusSection::kEventLog: return put(event(state, index), buffer);
    case StatusSection::kSlots: return put(slot_in_use(state, index), buffer);
  }
  return {};
}

}  // namespace hypercall
