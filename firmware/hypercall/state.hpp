// All that the monitor knows: one value, changed only by commit().
#pragma once

#include <array>
#include <cstdint>

#include "firmware/enclave/slot.hpp"
#include "firmware/hypercall/abi.hpp"
#include "firmware/measure/ledger.hpp"
#include "firmware/measure/platform_log.hpp"
#include "firmware/partition/core_table.hpp"
#include "firmware/partition/device_table.hpp"
#include "firmware/partition/frame_table.hpp"
#include "firmware/partition/transition.hpp"

namespace hypercall {

struct FrameStorage {
  std::array<partition::BlockEntry, board::kFrameTableFrames / base::kFramesPerBlock> blocks{};
  std::array<partition::PackedEntry, board::kFrameTableFrames> frames{};
};

struct Counters {
  std::uint64_t stage2_faults{};
  std::uint64_t dma_faults{};
  std::uint64_t undefined{};
  std::uint64_t refused_calls{};
};

// The last faults of devices, for kStatusRead. `taken` counts those since boot; the newest is at (taken - 1) % size.
struct DmaFaults {
  struct Fault {
    std::uint64_t uptime_milliseconds;
    std::uint64_t address;
    base::StreamId stream;
    std::uint8_t type;
    bool write;
  };
  std::array<Fault, cofferdam_abi::kDmaFaultsKept> kept{};
  std::uint64_t taken{};

  void add(const Fault& fault) { kept[taken++ % kept.size()] = fault; }
  [[nodiscard]] std::uint64_t count() const { return taken < kept.size() ? taken : kept.size(); }
  [[nodiscard]] std::uint64_t sequence_of(std::uint64_t index) const { return taken - count() + index; }
  // Precondition: index < count(). The oldest has index 0.
  [[nodiscard]] const Fault& at(std::uint64_t index) const { return kept[sequence_of(index) % kept.size()]; }
};

struct SystemState {
  partition::FrameTable frames{};
  partition::CoreTable cores{};
  partition::DeviceTable devices{};
  std::uint64_t memory_end{};  // the machine has no memory from this address on
  std::uint64_t last_uid{};
  Counters counters{};
  DmaFaults dma_faults{};
  measure::Ledger ledger{};
  measure::PlatformLog platform{};
  enclave::SlotTable slots{};
};

// The machine as the board describes it: all memory, cores and devices are the parent's, no slot is in use.
void initialise(SystemState& state, FrameStorage& storage);

// The machine has memory only below `end`, a multiple of a frame's size: what the board says beyond is nobody's from now
// on. Once, after initialise() and before anything moved.
void end_memory_at(SystemState& state, std::uint64_t end);

// Records the facts of a transition whose effects have been applied. Can't fail.
void commit(SystemState& state, const partition::Transition& transition);

// Errors: kNoSuchSlot.
[[nodiscard]] inline base::Result<base::SlotIndex> find_slot(const SystemState& state, std::uint64_t uid) {
  for (std::uint8_t i = 0; i < state.slots.size(); ++i) {
    const enclave::Slot& slot = state.slots[i];
    if (slot.state != enclave::SlotState::kFree && slot.uid.value == uid) return base::SlotIndex{i};
  }
  return base::Error::kNoSuchSlot;
}

}  // namespace hypercall
