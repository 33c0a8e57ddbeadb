#include "hal/host/reach.hpp"

#include "hal/host/machine.hpp"
#include "hal/host/table_walk.hpp"

namespace host {
namespace {

void append(std::vector<Reach>& runs, const Reach& next) {
  if (!runs.empty()) {
    Reach& last = runs.back();
    if (last.partition == next.partition && last.kind == next.kind && last.access == next.access &&
        last.ipa.value + last.frames.bytes() == next.ipa.value && last.frames.end() == next.frames.first()) {
      last.frames = base::FrameRange::trusted(
          last.frames.first(), base::FrameCount{last.frames.count().value + next.frames.count().value});
      return;
    }
  }
  runs.push_back(next);
}

void append_tables(Machine& machine, base::PartitionId partition, std::vector<Reach>& runs) {
  const auto root = machine.root_of(partition);
  if (!root) return;
  const auto leaf = [&](base::Ipa ipa, unsigned level, std::uint64_t descriptor) {
    append(runs, {partition, ipa, frames_of_leaf(descriptor, level),
                  hal::registers::stage2_descriptor::access_of(descriptor), ReachKind::kTable});
  };
  const auto table = [](base::FrameNumber, unsigned, std::uint64_t) {};
  walk_tables(machine.memory(), *root, hal::registers::stage2_descriptor::kRootLevel, 0, leaf, table);
}

}  // namespace

std::vector<Reach> walk_partition(Machine& machine, base::PartitionId partition) {
  std::vector<Reach> runs;
  append_tables(machine, partition, runs);
  return runs;
}

std::vector<Reach> everything_reachable(Machine& machine) {
  std::vector<Reach> runs;
  for (std::size_t i = 0; i < Machine::kPartitions; ++i) {
    append_tables(machine, base::PartitionId{static_cast<std::uint8_t>(i)}, runs);
  }
  for (const StaleTranslation& stale : machine.stale().list()) {
    runs.push_back({stale.partition, stale.ipa, stale.frames, {}, ReachKind::kCoreCache});
  }
  for (const StaleTranslation& stale : machine.smmu().stale()) {
    runs.push_back({stale.partition, stale.ipa, stale.frames, {}, ReachKind::kSmmuCache});
  }
  const auto cached = [&](ReachKind kind) {
    return [&runs, kind](base::PartitionId partition, base::Ipa page, const Translation& translation) {
      runs.push_back({partition, page, base::FrameRange::trusted(translation.frame, base::FrameCount{1}),
                      translation.access, kind});
    };
  };
  for (const auto& core : machine.cores()) core->tlb.for_each(cached(ReachKind::kCoreCache));
  machine.smmu().cache().for_each(cached(ReachKind::kSmmuCache));
  return runs;
}

std::set<std::pair<base::StreamId, base::PartitionId>> attached_streams(Machine& machine) {
  return machine.smmu().effective_entries();
}

}  // namespace host
