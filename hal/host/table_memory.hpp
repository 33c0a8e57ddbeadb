// The table builder's reach into the simulated machine, for one partition: every descriptor write becomes an event, a
// broken translation becomes stale in every cache, and invalidation is only issued, then completed by a barrier.
//
// Callers hold the monitor's state lock, as hal/stage2.hpp demands; walkers don't.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "firmware/base/ids.hpp"
#include "firmware/base/result.hpp"
#include "hal/stage2/table_memory.hpp"

namespace host {

class Machine;

class TableMemory {
 public:
  TableMemory(Machine& machine, base::PartitionId partition) : machine_(machine), partition_(partition) {}

  [[nodiscard]] std::uint64_t read_descriptor(base::FrameNumber table, std::size_t index);
  void write_descriptor(base::FrameNumber table, std::size_t index, std::uint64_t descriptor);
  void publish() {}  // host stores are ordered already: SimulatedMemory::store releases
  [[nodiscard]] base::Status invalidate(base::Ipa ipa, base::FrameCount count);
  [[nodiscard]] base::Result<base::FrameNumber> allocate_table();
  void free_table(base::FrameNumber table);
  [[nodiscard]] std::size_t available_tables();
  [[nodiscard]] std::uint16_t& used_entries(base::FrameNumber table);

 private:
  Machine& machine_;
  base::PartitionId partition_;
};
static_assert(hal::stage2::TableMemory<TableMemory>);

// Where each linked table stands, so that a write of a descriptor is known by what it translates.
class TablePlaces {
 public:
  struct Place {
    base::PartitionId partition{};
    unsigned level{};  // 1..3
    std::uint64_t ipa{};
  };
  // nullptr: no walker can find this table.
  [[nodiscard]] const Place* find(base::FrameNumber table) const {
    const auto found = places_.find(table.value);
    return found == places_.end() ? nullptr : &found->second;
  }
  void link(base::FrameNumber table, Place place) { places_[table.value] = place; }
  void unlink(base::FrameNumber table) { places_.erase(table.value); }

 private:
  std::unordered_map<std::uint64_t, Place> places_;
};

}  // namespace host
