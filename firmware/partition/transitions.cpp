#include "firmware/partition/transitions.hpp"

namespace partition {

using base::Access;
using base::Effect;
using base::EffectKind;
using base::FrameRange;
using base::Ipa;
using base::PartitionId;
using base::SlotIndex;

base::Error why_not_parents(FrameEntry entry) {
  switch (entry.state) {
    case FrameState::kNone: return base::Error::kOutOfRange;
    case FrameState::kShared: return base::Error::kShared;
    case FrameState::kMonitor:
    case FrameState::kOwned:
    case FrameState::kScrubbing: return base::Error::kNotOwned;
  }
  return base::Error::kInternal;
}

void plan_share(Transition& transition, SlotIndex slot, base::ChannelIndex channel, FrameRange frames, Ipa ipa) {
  gain(transition, base::partition_of(slot), frames, ipa, Access::kReadWrite);
  transition.add(
      Fact{.kind = FactKind::kChannelOpened, .slot = slot, .channel = channel, .ipa = ipa, .frames = frames});
}

void plan_unshare(Transition& transition, SlotIndex slot, base::ChannelIndex channel, FrameRange frames, Ipa ipa) {
  lose(transition, base::partition_of(slot), frames, ipa, Access::kReadWrite);
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
  lose(transition, from, registers, ipa, Access::kDevice);
  gain(transition, to, registers, ipa, Access::kDevice);
}

void plan_accept_device(Transition& transition, base::StreamId stream, PartitionId owner) {
  transition.add(Effect{.kind = EffectKind::kAttachStream, .partition = owner, .stream = stream});
}

}  // namespace partition
