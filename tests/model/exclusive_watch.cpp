#include "tests/model/exclusive_watch.hpp"

#include <sstream>

#include "hal/host/table_walk.hpp"
#include "hal/registers/stage2_descriptor.hpp"

namespace model {

namespace format = hal::registers::stage2_descriptor;

ExclusiveWatch::ExclusiveWatch(host::Machine& machine, Shared shared, StreamOwner owner)
    : machine_(machine), shared_(std::move(shared)), owner_(std::move(owner)) {}

void ExclusiveWatch::object(const host::Event& event, std::uint64_t frame, const std::string& what) {
  std::ostringstream out;
  out << host::to_text(event) << ": frame " << std::hex << frame << " " << what;
  objections_.push_back(out.str());
}

// visit(frames) for every leaf that this descriptor makes reachable. Its tables are read as they lie in memory.
template <typename Visit>
void ExclusiveWatch::leaves_of(std::uint64_t descriptor, unsigned level, const Visit& visit) {
  if (format::is_leaf(descriptor, level)) return visit(host::frames_of_leaf(descriptor, level));
  if (!format::is_table(descriptor, level)) return;
  const auto leaf = [&](base::Ipa, unsigned leaf_level, std::uint64_t found) {
    visit(host::frames_of_leaf(found, leaf_level));
  };
  const auto table = [](base::FrameNumber, unsigned, std::uint64_t) {};
  host::walk_tables(machine_.memory(), format::table_of(descriptor), level + 1, 0, leaf, table);
}

void ExclusiveWatch::step(const host::Event& event) {
  if (event.kind == host::EventKind::kStreamWrite && event.partition != base::kMonitor) {
    ++checks_;
    for (const auto& [stream, partition] : machine_.smmu().effective_entries()) {
      if (!owner_(stream, partition)) {
        std::ostringstream out;
        out << host::to_text(event) << ": stream " << std::hex << stream.value << " may reach partition "
            << unsigned{partition.value};
        objections_.push_back(out.str());
      }
    }
  }
  if (event.kind != host::EventKind::kWrite || event.level == 0 || event.before == event.after) return;
  leaves_of(event.before, event.level, [&](base::FrameRange frames) { lost(event.partition, frames); });
  leaves_of(event.after, event.level, [&](base::FrameRange frames) { gained(event.partition, frames, event); });
}

void ExclusiveWatch::lost(base::PartitionId partition, base::FrameRange frames) {
  if (!machine_.memory().contains(frames.address(), frames.bytes())) return;
  for (std::uint64_t i = 0; i < frames.count().value; ++i) {
    frames_[frames.first().value + i].reached &= ~(std::uint64_t{1} << partition.value);
  }
}

void ExclusiveWatch::gained(base::PartitionId partition, base::FrameRange frames, const host::Event& event) {
  ++checks_;
  const board::MemoryRegion& monitor = machine_.board().monitor;
  const auto own = base::FrameRange::trusted(base::frame_of(base::PhysAddr{monitor.base}),
                                             base::FrameCount{monitor.size >> base::kFrameShift});
  if (frames.overlaps(own)) object(event, frames.first().value, "is the monitor's");
  if (!machine_.memory().contains(frames.address(), frames.bytes())) return;  // a device's registers
  const auto may_share = [&](std::uint64_t frame, base::PartitionId other) {
    const base::PartitionId enclave = partition == base::kParent ? other : partition;
    return (partition == base::kParent || other == base::kParent) && shared_(frame, enclave);
  };
  for (std::uint64_t i = 0; i < frames.count().value; ++i) {
    const std::uint64_t number = frames.first().value + i;
    Frame& frame = frames_[number];
    frame.reached |= std::uint64_t{1} << partition.value;
    for (std::uint64_t others = frame.reached & ~(std::uint64_t{1} << partition.value); others != 0; others &= others - 1) {
      const base::PartitionId other{static_cast<std::uint8_t>(__builtin_ctzll(others))};
      if (!may_share(number, other)) {
        object(event, number, "is reachable by partition " + std::to_string(other.value) + " through its tables");
      }
    }
    if (partition == base::kParent && frame.enclave_had) {
      if (!machine_.memory().is_zero(base::FrameRange::trusted(base::FrameNumber{number}, base::FrameCount{1}))) {
        object(event, number, "comes back from an enclave and is not zero");
      }
      frame.enclave_had = false;
    }
    if (partition != base::kParent && !shared_(number, partition)) frame.enclave_had = true;
  }
  const auto held = [&](const host::StaleTranslation& stale, const char* where) {
    if (stale.partition == partition || !stale.frames.overlaps(frames)) return;
    const std::uint64_t first = std::max(stale.frames.first().value, frames.first().value);
    if (!may_share(first, stale.partition)) {
      object(event, first, "may still be reachable by partition " + std::to_string(stale.partition.value) + where);
    }
  };
  for (const host::StaleTranslation& stale : machine_.stale().list()) held(stale, " through a TLB");
  for (const host::StaleTranslation& stale : machine_.smmu().stale()) held(stale, " through the SMMU");
}

}  // namespace model
