#include "tests/refinement/break_before_make.hpp"

#include <algorithm>

namespace refinement {
namespace {

// The descriptor format, said once more on purpose (Arm ARM D8.3): this file trusts nobody's header but event.hpp's.
constexpr std::uint64_t kValid = 1;
constexpr std::uint64_t kTable = 2;
constexpr std::uint64_t kAddress = 0x0000'FFFF'FFFF'F000;
constexpr std::uint64_t kFrame = 4096;
constexpr unsigned kLastLevel = 3;

bool valid(std::uint64_t descriptor) { return (descriptor & kValid) != 0; }
bool table(std::uint64_t descriptor, unsigned level) { return valid(descriptor) && (descriptor & kTable) != 0 && level < kLastLevel; }
std::uint64_t span(unsigned level) { return kFrame << (9 * (kLastLevel - level)); }

base::FrameRange leaf_frames(std::uint64_t descriptor, unsigned level) {
  const std::uint64_t address = descriptor & kAddress & ~(span(level) - 1);
  return base::FrameRange::trusted(base::FrameNumber{address / kFrame}, base::FrameCount{span(level) / kFrame});
}

bool overlap(const std::vector<base::FrameRange>& ranges, base::FrameRange range) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const base::FrameRange& one) { return one.overlaps(range); });
}

}  // namespace

void BreakBeforeMake::object(const std::string& what) {
  objections_.push_back("event " + std::to_string(number_) + " (" + host::to_text(*current_) + "): " + what);
}

std::uint64_t BreakBeforeMake::value_at(std::uint64_t slot) const {
  const auto found = image_.find(slot);
  return found == image_.end() ? 0 : found->second;
}

void BreakBeforeMake::step(const host::Event& event) {
  ++number_;
  current_ = &event;
  switch (event.kind) {
    case host::EventKind::kTakeTable:
      if (!taken_.insert(event.address).second) object("the frame is a table already");
      for (std::uint64_t i = 0; i < kFrame; i += 8) image_.erase(event.address + i);
      break;
    case host::EventKind::kFreeTable:
      if (const auto place = places_.find(event.address); place != places_.end()) {
        const bool root = roots_.contains(place->second.partition) && roots_[place->second.partition] == event.address;
        bool empty = true;
        for (std::uint64_t i = 0; i < kFrame; i += 8) empty &= !valid(value_at(event.address + i));
        // An address space ends by giving back its root, which translates nothing any more.
        if (!root || !empty) object("the table is still linked");
        for (const Held& held : held_) {
          if (root && held.partition == place->second.partition) object("translations of the partition may still be held");
        }
        places_.erase(event.address);
      }
      if (std::any_of(held_.begin(), held_.end(), [&](const Held& held) { return held.tables.contains(event.address); })) {
        object("a walker may still hold the way to this table");
      }
      if (taken_.erase(event.address) == 0) object("the frame is no table");
      break;
    case host::EventKind::kCreate:
      if (roots_.contains(event.partition)) object("the partition has an address space already");
      roots_[event.partition] = event.address;
      link(event.address, {event.partition, 1, 0});
      break;
    case host::EventKind::kDestroy: {
      const auto stale = [&](const Held& held) { return held.partition == event.partition; };
      if (std::any_of(held_.begin(), held_.end(), stale)) object("translations of the partition may still be held");
      for (const auto& [frames, mappers] : leaves_) {
        if (mappers.contains(event.partition)) object("the partition still maps frames");
      }
      for (const auto& [stream, entry] : streams_) {
        if (entry.now == event.partition || entry.old.contains(event.partition)) object("a stream is still attached");
      }
      places_.erase(roots_[event.partition]);
      roots_.erase(event.partition);
      break;
    }
    case host::EventKind::kWrite: write(event); break;
    case host::EventKind::kTlbInvalidate: issue_cores(event); break;
    case host::EventKind::kBarrier:
      for (Held& held : held_) {
        if (held.cores == Progress::kIssued) held.cores = Progress::kDone;
      }
      sweep();
      break;
    case host::EventKind::kStreamWrite: {
      Stream& stream = streams_[event.stream];
      if (event.partition != base::kMonitor) {
        if (!roots_.contains(event.partition)) object("the partition has no address space");
        if (stream.now != base::kMonitor && stream.now != event.partition) object("the stream was not aborted first");
        for (const base::PartitionId old : stream.old) {
          if (old != base::kMonitor && old != event.partition) object("an older entry may still be cached");
        }
        smmu_may_hold_.insert(event.partition);
      }
      if (stream.now != event.partition) stream.old.insert(stream.now);
      stream.now = event.partition;
      stream.invalidated = false;
      break;
    }
    case host::EventKind::kStreamInvalidate: streams_[event.stream].invalidated = true; break;
    case host::EventKind::kSmmuInvalidate:
      smmu_issued_.insert(event.partition);
      for (Held& held : held_) {
        if (held.partition == event.partition && held.smmu == Progress::kWanted) held.smmu = Progress::kIssued;
      }
      break;
    case host::EventKind::kSmmuSync:
      for (auto& [stream, entry] : streams_) {
        if (entry.invalidated) entry.old.clear();
      }
      for (Held& held : held_) {
        if (held.smmu == Progress::kIssued) held.smmu = Progress::kDone;
      }
      for (const base::PartitionId partition : smmu_issued_) {
        const bool attached = std::any_of(streams_.begin(), streams_.end(), [&](const auto& entry) {
          return entry.second.now == partition || entry.second.old.contains(partition);
        });
        if (!attached) smmu_may_hold_.erase(partition);  // nothing is left to fill its cache again
      }
      smmu_issued_.clear();
      sweep();
      break;
    case host::EventKind::kScrub: {
      const base::FrameRange range =
          base::FrameRange::trusted(base::FrameNumber{event.address / kFrame}, base::FrameCount{event.count});
      for (const auto& [frames, mappers] : leaves_) {
        if (base::FrameRange::trusted(base::FrameNumber{frames.first}, base::FrameCount{frames.second}).overlaps(range)) {
          for (const auto& [partition, count] : mappers) {
            if (runs(partition)) object("partition " + std::to_string(partition.value) + " runs and still maps the frames");
          }
        }
      }
      for (const Held& held : held_) {
        if (overlap(held.frames, range)) object("a translation of the frames may still be held");
      }
      break;
    }
    case host::EventKind::kEnterGuest:
      if (!roots_.contains(event.partition)) object("the partition has no address space");
      inside_[event.core] = event.partition;
      break;
    case host::EventKind::kLeaveGuest: inside_.erase(event.core); break;
    case host::EventKind::kClean:
    case host::EventKind::kWindowOpen:
    case host::EventKind::kWindowClose: break;
  }
}

// A core is in the partition, or a device may act for it.
bool BreakBeforeMake::runs(base::PartitionId partition) const {
  return std::any_of(inside_.begin(), inside_.end(), [&](const auto& entry) { return entry.second == partition; }) ||
         std::any_of(streams_.begin(), streams_.end(), [&](const auto& entry) {
           return entry.second.now == partition || entry.second.old.contains(partition);
         });
}

void BreakBeforeMake::write(const host::Event& event) {
  const std::uint64_t frame = event.address & ~(kFrame - 1);
  const std::uint64_t before = value_at(event.address);
  if (!taken_.contains(frame)) object("this frame was not taken as a table");
  if (before != event.before) object("the slot held something else");
  image_[event.address] = event.after;
  const auto place = places_.find(frame);
  if (place == places_.end()) return;  // no walker finds it: any order is right
  const base::PartitionId partition = place->second.partition;
  const unsigned level = place->second.level;
  const std::uint64_t start = place->second.ipa;
  const std::uint64_t ipa = start + (event.address - frame) / 8 * span(level);
  if (partition != event.partition) object("a table of another partition");
  if (valid(before) && valid(event.after) && before != event.after) object("valid to valid without a break");
  if (valid(before) && before != event.after) {
    Held held{.partition = partition, .ipa = ipa, .bytes = span(level), .slot = event.address, .descriptor = before};
    if (smmu_may_hold_.contains(partition)) held.smmu = Progress::kWanted;
    if (table(before, level)) {
      unlink(before & kAddress, held);
    } else {
      held.frames.push_back(leaf_frames(before, level));
      unmap_leaf(partition, held.frames.back());
    }
    held_.push_back(std::move(held));
  }
  if (valid(event.after) && before != event.after) {
    // A descriptor put back as it was: what may be held of it is what is true again.
    std::erase_if(held_, [&](const Held& held) {
      return held.partition == partition && held.slot == event.address && held.descriptor == event.after;
    });
    for (const Held& held : held_) {
      // Leaves broken inside a table that is linked again are that table's own matter: they are invalid in it still.
      const bool below = held.bytes < span(level) && table(event.after, level);
      if (held.partition == partition && held.ipa < ipa + span(level) && ipa < held.ipa + held.bytes && !below &&
          !(valid(before) && held.slot == event.address)) {
        object("made valid again before the invalidation of what was there is complete");
      }
    }
    if (table(event.after, level)) {
      link(event.after & kAddress, {partition, level + 1, ipa});
    } else {
      check_new_leaf(partition, leaf_frames(event.after, level));
      map_leaf(partition, leaf_frames(event.after, level));
    }
  }
}

void BreakBeforeMake::link(std::uint64_t address, Place place) {
  if (!taken_.contains(address)) object("this frame was not taken as a table");
  if (places_.contains(address)) object("the table is linked twice");
  places_[address] = place;
  for (std::uint64_t index = 0; index < 512; ++index) {
    const std::uint64_t descriptor = value_at(address + index * 8);
    if (!valid(descriptor)) continue;
    if (table(descriptor, place.level)) {
      link(descriptor & kAddress, {place.partition, place.level + 1, place.ipa + index * span(place.level)});
    } else {
      check_new_leaf(place.partition, leaf_frames(descriptor, place.level));
      map_leaf(place.partition, leaf_frames(descriptor, place.level));
    }
  }
}

void BreakBeforeMake::unlink(std::uint64_t address, Held& held) {
  const auto place = places_.find(address);
  if (place == places_.end()) return object("the table was not linked");
  const unsigned level = place->second.level;
  places_.erase(place);
  held.tables.insert(address);
  for (std::uint64_t index = 0; index < 512; ++index) {
    const std::uint64_t descriptor = value_at(address + index * 8);
    if (!valid(descriptor)) continue;
    if (table(descriptor, level)) {
      unlink(descriptor & kAddress, held);
    } else {
      held.frames.push_back(leaf_frames(descriptor, level));
      unmap_leaf(held.partition, held.frames.back());
    }
  }
}

void BreakBeforeMake::map_leaf(base::PartitionId partition, base::FrameRange frames) {
  ++leaves_[{frames.first().value, frames.count().value}][partition];
}

void BreakBeforeMake::unmap_leaf(base::PartitionId partition, base::FrameRange frames) {
  const auto found = leaves_.find({frames.first().value, frames.count().value});
  if (found == leaves_.end() || !found->second.contains(partition)) return object("the leaf was never mapped");
  if (--found->second[partition] == 0) found->second.erase(partition);
  if (found->second.empty()) leaves_.erase(found);
}

void BreakBeforeMake::check_new_leaf(base::PartitionId partition, base::FrameRange frames) {
  for (const Held& held : held_) {
    if (held.partition != partition && overlap(held.frames, frames)) {
      object("another partition may still hold a translation of the frames");
    }
  }
  const auto first = taken_.lower_bound(frames.first().value * kFrame);
  if (first != taken_.end() && *first < frames.end().value * kFrame) object("a table frame is mapped for a partition");
}

void BreakBeforeMake::issue_cores(const host::Event& event) {
  for (Held& held : held_) {
    if (held.partition != event.partition || held.cores != Progress::kWanted) continue;
    const bool covers = event.count == 0 || (event.ipa <= held.ipa && held.ipa + held.bytes <= event.ipa + event.count);
    if (covers) held.cores = Progress::kIssued;
  }
}

void BreakBeforeMake::sweep() {
  std::erase_if(held_, [](const Held& held) { return held.cores == Progress::kDone && held.smmu == Progress::kDone; });
}

}  // namespace refinement
