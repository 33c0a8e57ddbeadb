// Is every change of a stage-2 table and of the stream table made in the order that the architecture demands?
//
// An automaton over the trace of hal/host (format: hal/host/event.hpp), in the manner of Casemate: it keeps its own image
// of the table frames, made from `take` and `write` lines alone, and of what walkers may still hold. It shares no code
// with hal/stage2 nor with the machine's caches. It objects when
//   1. a valid descriptor is overwritten by another valid one (Arm ARM D8.16.1: break before make);
//   2. a broken descriptor is made valid again before TLBI (right VMID, covering range) and DSB are done, and before
//      the SMMU has done TLBI and SYNC where it may have cached the partition's translations; the same descriptor as
//      before may come back at once;
//   3. a frame is mapped for one partition while another's translation of it may still be held;
//   4. a frame is scrubbed while a partition that runs (a core is in it, or a device is attached to it) still maps it, or
//      while somebody may still hold a translation of it;
//   5. a table frame is freed while it is linked, or while a walker may still hold the way to it;
//   6. a table frame, or a frame that was never taken, is mapped for a partition or written as a table;
//   7. a stream goes from one partition to another without abort, CFGI and SYNC between;
//   8. an address space ends with descriptors valid, invalidations open or streams attached.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "firmware/base/ids.hpp"
#include "hal/host/event.hpp"

namespace refinement {

class BreakBeforeMake {
 public:
  void step(const host::Event& event);
  // "event 17 (write ...): what is wrong". Empty: nothing was.
  [[nodiscard]] const std::vector<std::string>& objections() const { return objections_; }

 private:
  struct Place {
    base::PartitionId partition{};
    unsigned level{};
    std::uint64_t ipa{};
  };
  enum class Progress : std::uint8_t { kDone, kWanted, kIssued };  // of an invalidation
  struct Held {  // translations, or the way to a table, that walkers may still hold
    base::PartitionId partition{};
    std::uint64_t ipa{};
    std::uint64_t bytes{};
    std::uint64_t slot{};
    std::uint64_t descriptor{};
    std::vector<base::FrameRange> frames;
    std::set<std::uint64_t> tables;
    Progress cores{Progress::kWanted};
    Progress smmu{Progress::kDone};
  };
  struct Stream {
    base::PartitionId now{};
    std::set<base::PartitionId> old;  // copies that may still be cached
    bool invalidated{};
  };

  void object(const std::string& what);
  void write(const host::Event& event);
  void link(std::uint64_t table, Place place);
  void unlink(std::uint64_t table, Held& held);
  void map_leaf(base::PartitionId partition, base::FrameRange frames);
  void unmap_leaf(base::PartitionId partition, base::FrameRange frames);
  void check_new_leaf(base::PartitionId partition, base::FrameRange frames);
  void issue_cores(const host::Event& event);
  void sweep();
  [[nodiscard]] bool runs(base::PartitionId partition) const;
  [[nodiscard]] std::uint64_t value_at(std::uint64_t slot) const;

  std::vector<std::string> objections_;
  std::uint64_t number_{0};
  const host::Event* current_{nullptr};
  std::unordered_map<std::uint64_t, std::uint64_t> image_;  // slot address -> descriptor, absent: 0
  std::unordered_map<std::uint64_t, Place> places_;         // linked tables
  std::set<std::uint64_t> taken_;                           // table frames, by address
  std::map<base::PartitionId, std::uint64_t> roots_;
  std::vector<Held> held_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::map<base::PartitionId, int>> leaves_;  // frames -> mappers
  std::map<base::StreamId, Stream> streams_;
  std::set<base::PartitionId> smmu_may_hold_;
  std::set<base::PartitionId> smmu_issued_;
  std::map<base::CoreId, base::PartitionId> inside_;
};

}  // namespace refinement
