// The moves of frames and devices between owners: what must hold before, and the effects that make it so.
//
// Order in every move: the old owner loses CPU and device reach and every cached translation before the new owner
// gains any. Reversible effects first (base/effect.hpp). Nothing here reads or changes hardware.
// The moves of memory are inline: where the transition was just made, the compiler knows how full its lists are, and
// each effect is a few stores.
#pragma once

#include "firmware/partition/frame_table.hpp"
#include "firmware/partition/transition.hpp"

namespace partition {

// May the parent give these frames away? The lowest frame that is not the parent's alone decides: kOutOfRange (not RAM
// of this board), kShared, kNotOwned (the monitor's, an enclave's, or being scrubbed).
[[nodiscard]] base::Error why_not_parents(FrameEntry entry);  // precondition: not owned_by(kParent)
[[nodiscard]] inline base::Status check_parents(const FrameTable& table, base::FrameRange frames) {
  const base::FrameNumber other = table.first_other(frames, owned_by(base::kParent));
  if (other == frames.end()) [[likely]] return {};
  return why_not_parents(table.at(other));
}

// For the parent and for devices alike, physical and intermediate addresses are equal (DESIGN section 6).
[[nodiscard]] constexpr base::Ipa parent_ipa(base::FrameRange frames) { return base::Ipa{frames.address().value}; }

// Takes a mapping away for certain: descriptors, every core's TLB, the SMMU's caches. `access` is what undoing gives back.
constexpr void lose(Transition& transition, base::PartitionId partition, base::FrameRange frames, base::Ipa ipa,
                    base::Access access) {
  using base::Effect;
  using base::EffectKind;
  transition.add(Effect{.kind = EffectKind::kUnmapStage2, .partition = partition, .access = access, .ipa = ipa,
                        .frames = frames});
  transition.add(Effect{.kind = EffectKind::kInvalidateStage2, .partition = partition, .ipa = ipa, .frames = frames});
  transition.add(Effect{.kind = EffectKind::kInvalidateSmmu, .partition = partition, .ipa = ipa, .frames = frames});
}
constexpr void gain(Transition& transition, base::PartitionId partition, base::FrameRange frames, base::Ipa ipa,
                    base::Access access) {
  transition.add(base::Effect{.kind = base::EffectKind::kMapStage2, .partition = partition, .access = access,
                              .ipa = ipa, .frames = frames});
}

// Parent -> enclave. What the parent left in caches is dealt with when the monitor first reads or zeroes the frames
// (monitor/slot_memory). Precondition: check_parents() passed; the enclave has a stage 2, `ipa` is free in it.
constexpr void plan_donate(Transition& transition, base::SlotIndex slot, base::FrameRange frames, base::Ipa ipa) {
  lose(transition, base::kParent, frames, parent_ipa(frames), base::Access::kReadWriteExecute);
  gain(transition, base::partition_of(slot), frames, ipa, base::Access::kReadWriteExecute);
  transition.add(Fact{.kind = FactKind::kMemoryDonated, .slot = slot, .ipa = ipa, .frames = frames});
}
// Enclave -> nobody (kScrubbing), when the enclave still has its stage 2.
constexpr void plan_withdraw(Transition& transition, base::SlotIndex slot, base::FrameRange frames, base::Ipa ipa) {
  lose(transition, base::partition_of(slot), frames, ipa, base::Access::kReadWriteExecute);
  transition.add(Fact{.kind = FactKind::kMemoryScrubbing, .slot = slot, .ipa = ipa, .frames = frames});
}
// Nobody -> parent, after the frames were scrubbed.
constexpr void plan_return(Transition& transition, base::SlotIndex slot, base::FrameRange frames) {
  gain(transition, base::kParent, frames, parent_ipa(frames), base::Access::kReadWriteExecute);
  transition.add(Fact{.kind = FactKind::kMemoryReturned, .slot = slot, .frames = frames});
}
// The parent's frames, also reachable by the enclave from now on / no longer.
void plan_share(Transition& transition, base::SlotIndex slot, base::ChannelIndex channel, base::FrameRange frames,
                base::Ipa ipa);
void plan_unshare(Transition& transition, base::SlotIndex slot, base::ChannelIndex channel, base::FrameRange frames,
                  base::Ipa ipa);
// A device from one partition to another: its registers, at equal IPA and physical address in both. Its stream aborts
// before the registers move and until the new owner accepts the device.
enum class Stream : std::uint8_t { kAborts, kAttached };
void plan_move_device(Transition& transition, base::StreamId stream, Stream now, base::FrameRange registers,
                      base::PartitionId from, base::PartitionId to);
void plan_accept_device(Transition& transition, base::StreamId stream, base::PartitionId owner);

}  // namespace partition
