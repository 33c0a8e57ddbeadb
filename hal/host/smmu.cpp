#include "hal/host/smmu.hpp"

#include <utility>

namespace host {

void Smmu::write_entry(base::StreamId stream, base::PartitionId partition) {
  const std::lock_guard lock(mutex_);
  const auto [entry, fresh] = entries_.try_emplace(stream, base::kMonitor);
  if (entry->second != partition) old_entries_[stream].insert(entry->second);
  entry->second = partition;
  if (partition != base::kMonitor) may_cache_.insert(partition);
}

void Smmu::invalidate_entry(base::StreamId stream) {
  const std::lock_guard lock(mutex_);
  issued_entries_.push_back(stream);
}

void Smmu::invalidate_partition(base::PartitionId partition) { stale_.issue({partition, 0, 0}); }

void Smmu::sync() {
  const std::vector<Invalidation> done = stale_.complete();
  // Before mutex_ is taken: a device's access holds the cache and then asks for its stream's entry.
  for (const Invalidation& invalidation : done) cache_.drop(invalidation);
  const std::lock_guard lock(mutex_);
  for (const base::StreamId stream : issued_entries_) {
    cached_entries_.erase(stream);
    old_entries_.erase(stream);
  }
  issued_entries_.clear();
  for (const Invalidation& invalidation : done) {
    bool attached = false;
    for (const auto& [stream, partition] : entries_) attached |= partition == invalidation.partition;
    for (const auto& [stream, partitions] : old_entries_) attached |= partitions.contains(invalidation.partition);
    if (!attached) may_cache_.erase(invalidation.partition);
  }
}

void Smmu::translation_broken(const StaleTranslation& translation) {
  const std::lock_guard lock(mutex_);
  if (may_cache_.contains(translation.partition)) stale_.add(translation);
}

std::optional<base::PartitionId> Smmu::partition_of(base::StreamId stream) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(stream);
  const base::PartitionId now = found == entries_.end() ? base::kMonitor : found->second;
  const auto [cached, fresh] = cached_entries_.try_emplace(stream, now);
  if (cached->second == base::kMonitor) return std::nullopt;
  return cached->second;
}

void Smmu::report(const hal::device_isolation::Fault& fault) {
  const std::lock_guard lock(mutex_);
  if (faults_.size() < hal::device_isolation::kMostFaults) {
    faults_.push_back(fault);
  } else {
    faults_lost_ = true;
  }
}

std::optional<hal::device_isolation::Fault> Smmu::take_fault() {
  const std::lock_guard lock(mutex_);
  using namespace hal::device_isolation;
  if (std::exchange(faults_lost_, false)) return Fault{.type = kFaultsLost};
  if (faults_.empty()) return std::nullopt;
  const hal::device_isolation::Fault fault = faults_.front();
  faults_.pop_front();
  return fault;
}

std::map<base::StreamId, base::PartitionId> Smmu::entries() const {
  const std::lock_guard lock(mutex_);
  return entries_;
}

std::set<std::pair<base::StreamId, base::PartitionId>> Smmu::effective_entries() const {
  const std::lock_guard lock(mutex_);
  std::set<std::pair<base::StreamId, base::PartitionId>> all;
  for (const auto& [stream, partition] : entries_) {
    if (partition != base::kMonitor) all.emplace(stream, partition);
  }
  for (const auto& [stream, partitions] : old_entries_) {
    for (const base::PartitionId partition : partitions) {
      if (partition != base::kMonitor) all.emplace(stream, partition);
    }
  }
  for (const auto& [stream, partition] : cached_entries_) {
    if (partition != base::kMonitor) all.emplace(stream, partition);
  }
  return all;
}

}  // namespace host
