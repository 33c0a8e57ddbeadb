#include "firmware/partition/transitions.hpp"

namespace partition {

using base::Access;
using base::Effect;
using base::EffectKind;
using base::FrameRange;
using base::Ipa;
using base::PartitionId;
using base::SlotIndex;

namespace {

// Takes a mapping away for certain: descriptors, every core's TLB, the SMMU's caches.
void lose(Transition& transition, PartitionId partition, FrameRange frames, Ipa ipa) {
  // The access is what undoing this unmapping gives back.
  transition.add(Effect{.kind = EffectKind::kUnmapStage2, .partition = partition, .access = Access::kReadWriteExecute,
                        .ipa = ipa, .frames = frames});
  transition.add(Effect{.kind = EffectKind::kInvalidateStage2, .partition = partition, .ipa = ipa, .frames = frames});
  transition.add(Effect{.kind = EffectKind::kInvalidateSmmu, .partition = partition, .ipa = ipa, .frames = frames});
}

void gain(Transition& transition, PartitionId partition, FrameRange frames, Ipa ipa, Access access) {
  transition.add(Effect{.kind = EffectKind::kMapStage2, .partition = partition, .access = access, .ipa = ipa,
                        .frames = frames});
}

}  // namespace

base::Status check_parents(const FrameTable& table, FrameRange frames) {
  const FrameEntry wanted = owned_by(base::kParent);
  const base::FrameNumber other = table.first_other(frames, wanted);
  if (other == frames.end()) return {};
  switch (table.at(other).state) {
    case FrameState::kNone: return base::Error::kOutOfRange;
    case FrameState::kShared: return base::Error::kShared;
    case FrameState::kMonitor:
    case FrameState::kOwned:
    case FrameState::kScrubbing: return base::Error::kNotOwned;
  }
  return base::Error::kInternal;
}

void plan_donate(Transition& transition, SlotIndex slot, FrameRange frames, Ipa ipa) {
  lose(transition, base::kParent, frames, parent_ipa(frames));
  gain(transition, base::partition_of(slot), frames, ipa, Access::kReadWriteExecute);
  transition.add(Fact{.kind = FactKind::kMemoryDonated, .slot = slot, .ipa = ipa, .frames = frames});
}

void plan_withdraw(Transition& transition, SlotIndex slot, FrameRange frames, Ipa ipa) {
  lose(transition, base::partition_of(slot), frames, ipa);
  transition.add(Fact{.kind = FactKind::kMemoryScrubbing, .slot = slot, .ipa = ipa, .frames = frames});
}

void plan_return(Transition& transition, SlotIndex slot, FrameRange frames) {
  gain(transition, base::kParent, frames, parent_ipa(frames), Access::kReadWriteExecute);
  transition.add(Fact{.kind = FactKind::kMemoryReturned, .slot = slot, .frames = frames});
}

void plan_share(Transition& transition, SlotIndex slot, base::ChannelIndex channel, FrameRange frames, Ipa ipa) {
  gain(transition, base::partition_of(slot), frames, ipa, Access::kReadWrite);
  transition.add(
      Fact{.kind = FactKind::kChannelOpened, .slot = slot, .channel = channel, .ipa = ipa, .frames = frames});
}

void plan_unshare(Transition& transition, SlotIndex slot, base::ChannelIndex channel, FrameRange frames, Ipa ipa) {
  const PartitionId enclave = base::partition_of(slot);
  transition.add(Effect{.kind = EffectKind::kUnmapStage2, .partition = enclave, .access = Access::kReadWrite,
                        .ipa = ipa, .frames = frames});
  transition.add(Effect{.kind = EffectKind::kInvalidateStage2, .partition = enclave, .ipa = ipa, .frames = frames});
  transition.add(Effect{.kind = EffectKind::kInvalidateSmmu, .partition = enclave, .ipa = ipa, .frames = frames});
  transition.add(
      Fact{.kind = FactKind::kChannelClosed, .slot = slot, .channel = channel, .ipa = ipa, .frames = frames});
}

void plan_move_device(Transition& transition, base::StreamId stream, Stream now, FrameRange registers, PartitionId from,
                      PartitionId to) {
  const Ipa ipa{registers.address().value};
  // `partition` is whom undoing the effect gives the stream back to.
  if (now == Stream::kAttached) {
    transition.add(Effect{.kind = EffectKind::kDetachStream, .partition = from, .stream = stream});
  }
  transition.add(Effect{.kind = EffectKind::kUnmapStage2, .partition = from, .access = Access::kDevice, .ipa = ipa,
                        .frames = registers});
  transition.add(Effect{.kind = EffectKind::kInvalidateStage2, .partition = from, .ipa = ipa, .frames = registers});
  transition.add(Effect{.kind = EffectKind::kInvalidateSmmu, .partition = from, .ipa = ipa, .frames = registers});
  gain(transition, to, registers, ipa, Access::kDevice);
}

void plan_accept_device(Transition& transition, base::StreamId stream, PartitionId owner) {
  transition.add(Effect{.kind = EffectKind::kAttachStream, .partition = owner, .stream = stream});
}

}  // namespace partition
