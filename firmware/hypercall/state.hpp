// All that the monitor knows: one value, changed only by commit().
#pragma once

#include <array>
#include <cstdint>

#include "firmware/enclave/slot.hpp"
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

struct SystemState {
  partition::FrameTable frames{};
  partition::CoreTable cores{};
  partition::DeviceTable devices{};
  std::uint64_t last_uid{};
  Counters counters{};
  measure::Ledger ledger{};
  measure::PlatformLog platform{};
  enclave::SlotTable slots{};
};

// The machine as the board describes it: all memory, cores and devices are the parent's, no slot is in use.
void initialise(SystemState& state, FrameStorage& storage);

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
