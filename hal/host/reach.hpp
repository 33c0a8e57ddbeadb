// Who can reach which frames at this moment: tables as walked, and every copy of a translation that a core or the SMMU
// may still hold. This is the machine's side of the invariants `exclusive` and `dma-confined`.
#pragma once

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "firmware/base/effect.hpp"
#include "firmware/base/ids.hpp"

namespace host {

class Machine;

enum class ReachKind : std::uint8_t { kTable, kCoreCache, kSmmuCache };

struct Reach {
  base::PartitionId partition{};
  base::Ipa ipa{};
  base::FrameRange frames{};
  base::Access access{};  // kTable only
  ReachKind kind{};
};

// The leaves of one partition's tables, neighbours joined, in ascending order of address. No address space: empty.
[[nodiscard]] std::vector<Reach> walk_partition(Machine& machine, base::PartitionId partition);
// All of it: tables of every partition, stale translations, translations in use.
[[nodiscard]] std::vector<Reach> everything_reachable(Machine& machine);
// (stream, partition) pairs of every copy of the stream table.
[[nodiscard]] std::set<std::pair<base::StreamId, base::PartitionId>> attached_streams(Machine& machine);

}  // namespace host
