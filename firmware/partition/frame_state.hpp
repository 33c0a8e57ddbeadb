// Who owns a frame, and the legal moves between owners.
//
// A frame is in exactly one state. "Reaches" means: through a CPU's stage 2, through a device's stage 2 in the
// SMMU, or through any cached copy of either.
//   kNone       not RAM, or not given out on this board. Nobody reaches it.
//   kMonitor    the monitor's own. No partition reaches it, ever; it never leaves this state.
//   kOwned      `owner` reaches it and no other partition does.
//   kShared     `owner` (always the parent) and `peer` (one enclave) reach it, on purpose: a channel.
//   kScrubbing  no partition reaches it; the monitor is writing zeroes. `owner` is who had it last.
// Legal moves:
//   kOwned(parent) -> kOwned(enclave)                donate
//   kOwned(enclave) -> kScrubbing -> kOwned(parent)  reclaim
//   kOwned(parent) <-> kShared(parent, enclave)      open and close a channel
// Invariant `scrubbed`: a frame enters kOwned(parent) from kScrubbing only after every byte of it is zero.
#pragma once

#include <cstdint>

#include "firmware/base/ids.hpp"

namespace partition {

enum class FrameState : std::uint8_t { kNone = 0, kMonitor = 1, kOwned = 2, kShared = 3, kScrubbing = 4 };

struct FrameEntry {
  FrameState state{};
  base::PartitionId owner{};
  base::PartitionId peer{};  // kShared only, else 0
  constexpr bool operator==(const FrameEntry&) const = default;
};

[[nodiscard]] constexpr FrameEntry owned_by(base::PartitionId owner) { return {FrameState::kOwned, owner, {}}; }
[[nodiscard]] constexpr FrameEntry shared_with(base::PartitionId peer) {
  return {FrameState::kShared, base::kParent, peer};
}
[[nodiscard]] constexpr FrameEntry scrubbing_from(base::PartitionId owner) {
  return {FrameState::kScrubbing, owner, {}};
}

[[nodiscard]] constexpr bool is_legal_move(FrameEntry from, FrameEntry to) {
  if (from == owned_by(base::kParent)) {
    return (to.state == FrameState::kOwned && base::is_enclave(to.owner)) ||
           (to.state == FrameState::kShared && to.owner == base::kParent && base::is_enclave(to.peer));
  }
  if (from.state == FrameState::kOwned && base::is_enclave(from.owner)) return to == scrubbing_from(from.owner);
  if (from.state == FrameState::kScrubbing) return to == owned_by(base::kParent);
  if (from.state == FrameState::kShared) return to == owned_by(base::kParent);
  return false;
}

// Two bytes a frame: 3 bits of state, 6 of owner, 6 of peer. 62 enclaves at most (board::validate).
using PackedEntry = std::uint16_t;
[[nodiscard]] constexpr PackedEntry pack(FrameEntry entry) {
  return static_cast<PackedEntry>(static_cast<unsigned>(entry.state) | (unsigned{entry.owner.value} << 3) |
                                  (unsigned{entry.peer.value} << 9));
}
[[nodiscard]] constexpr FrameEntry unpack(PackedEntry packed) {
  return {static_cast<FrameState>(packed & 7U), base::PartitionId{static_cast<std::uint8_t>((packed >> 3) & 63U)},
          base::PartitionId{static_cast<std::uint8_t>((packed >> 9) & 63U)}};
}

}  // namespace partition
