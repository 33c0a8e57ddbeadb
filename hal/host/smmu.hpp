// A model of an SMMUv3 that does stage 2 only: a stream table in memory, cached entries, cached translations, and a
// command queue in which nothing is certain before CMD_SYNC (Arm IHI 0070, 3.21, 4.7).
//
// A stream that was never written aborts. A cached stream-table entry goes on being used until CMD_CFGI_STE and
// CMD_SYNC, a cached translation until CMD_TLBI and CMD_SYNC. Thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "firmware/base/ids.hpp"
#include "hal/device_isolation.hpp"
#include "hal/host/translation_cache.hpp"

namespace host {

class Smmu {
 public:
  explicit Smmu(unsigned stream_bits) : stream_bits_(stream_bits) {}

  // ---- what the monitor does: memory writes and commands
  void write_entry(base::StreamId stream, base::PartitionId partition);  // kMonitor: abort
  void invalidate_entry(base::StreamId stream);                          // CMD_CFGI_STE
  void invalidate_partition(base::PartitionId partition);                // CMD_TLBI_S12_VMALL
  void sync();                                                           // CMD_SYNC
  void translation_broken(const StaleTranslation& translation);  // a descriptor was made invalid in memory

  // ---- what a device's access meets
  // The partition whose tables this stream uses; nullopt: the access aborts.
  [[nodiscard]] std::optional<base::PartitionId> partition_of(base::StreamId stream);
  [[nodiscard]] TranslationCache& cache() { return cache_; }
  void report(const hal::device_isolation::Fault& fault);
  [[nodiscard]] std::optional<hal::device_isolation::Fault> take_fault();

  // ---- what a checker asks
  [[nodiscard]] std::map<base::StreamId, base::PartitionId> entries() const;  // in memory
  // Every (stream, partition) that some copy of the stream table still says.
  [[nodiscard]] std::set<std::pair<base::StreamId, base::PartitionId>> effective_entries() const;
  // Whether translations of the partition may lie in the cache: a stream used it since the last invalidation.
  [[nodiscard]] bool may_cache(base::PartitionId partition) const {
    const std::lock_guard lock(mutex_);
    return may_cache_.contains(partition);
  }
  [[nodiscard]] std::vector<StaleTranslation> stale() const { return stale_.list(); }
  [[nodiscard]] bool stream_exists(base::StreamId stream) const { return (stream.value >> stream_bits_) == 0; }

 private:
  mutable std::mutex mutex_;
  unsigned stream_bits_;
  std::map<base::StreamId, base::PartitionId> entries_;
  std::map<base::StreamId, std::set<base::PartitionId>> old_entries_;  // may still be cached
  std::map<base::StreamId, base::PartitionId> cached_entries_;         // what an access really used
  std::vector<base::StreamId> issued_entries_;
  std::set<base::PartitionId> may_cache_;  // partitions whose translations may lie in the cache
  TranslationCache cache_;
  StaleTranslations stale_;
  std::deque<hal::device_isolation::Fault> faults_;
  bool faults_lost_ = false;
};

}  // namespace host
