// The invariants of DESIGN section 2 that speak of frames, cores and devices, as predicates over the tables.
//
// Pure, and used by tests only: after every transition, and between any two effects. docs/invariants.md says which test
// checks which.
#pragma once

#include <cstdint>
#include <span>

#include "firmware/partition/core_table.hpp"
#include "firmware/partition/device_table.hpp"
#include "firmware/partition/frame_table.hpp"

namespace partition {

// `exclusive`, said of one frame: who may reach it at all.
[[nodiscard]] constexpr bool may_reach(FrameEntry entry, base::PartitionId partition) {
  switch (entry.state) {
    case FrameState::kNone:
    case FrameState::kMonitor:
    case FrameState::kScrubbing:
      return false;
    case FrameState::kOwned:
      return entry.owner == partition;
    case FrameState::kShared:
      return entry.owner == partition || entry.peer == partition;
  }
  return false;
}

// An entry that means something: an owner where there is one, the parent and one enclave where two share.
[[nodiscard]] constexpr bool is_well_formed(FrameEntry entry) {
  switch (entry.state) {
    case FrameState::kNone:
      return entry == FrameEntry{};
    case FrameState::kMonitor:
      return entry.owner == base::kMonitor && entry.peer == base::kMonitor;
    case FrameState::kOwned:
      return entry.owner != base::kMonitor && entry.peer == base::kMonitor;
    case FrameState::kShared:
      return entry.owner == base::kParent && base::is_enclave(entry.peer);
    case FrameState::kScrubbing:
      return base::is_enclave(entry.owner) && entry.peer == base::kMonitor;
  }
  return false;
}

// `exclusive`: what the tables of a machine give (a mapping, a TLB entry, a translation cached in the SMMU) is no more
// than what the frame table allows.
struct Reach {
  base::PartitionId partition;
  base::FrameRange frames;
};
[[nodiscard]] inline bool exclusive(const FrameTable& table, std::span<const Reach> reaches) {
  for (const Reach& reach : reaches) {
    for (std::uint64_t frame = reach.frames.first().value; frame < reach.frames.end().value; ++frame) {
      if (!may_reach(table.at(base::FrameNumber{frame}), reach.partition)) return false;
    }
  }
  return true;
}

// `scrubbed`: between two moments a frame stays what it is, or makes one legal move. The moves lead from an enclave to
// the parent by kScrubbing only.
[[nodiscard]] constexpr bool scrubbed(FrameEntry before, FrameEntry after) {
  return before == after || is_legal_move(before, after);
}

// `one-core-one-owner`, for one partition's cores: numbered 0, 1, 2 .. without a gap, as the partition sees them.
[[nodiscard]] constexpr bool numbered_without_gap(const CoreTable& cores, base::PartitionId owner) {
  CoreMask seen = 0;
  const CoreMask owned = cores.owned_by(owner);
  for (std::uint8_t i = 0; i < cores.count; ++i) {
    if ((owned >> i & 1) != 0) seen |= CoreMask{1} << cores.entries[i].number;
  }
  return (seen & (seen + 1)) == 0 && __builtin_popcountll(seen) == __builtin_popcountll(owned);
}

// `dma-confined`: a stream is attached to the stage 2 of the owner that has accepted it, or to nothing.
[[nodiscard]] constexpr bool dma_confined(const DeviceTable& devices, base::DeviceIndex device,
                                          base::PartitionId attached_to) {
  return attached_to == base::kMonitor ||
         (devices.accepted[device.value] && devices.owner[device.value] == attached_to);
}

}  // namespace partition
