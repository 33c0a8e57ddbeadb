// A TableMemory of plain memory that records what the builder does and can refuse on request.
//
// It keeps, besides the tables, what a walker may still hold: every leaf or table pointer that was valid since its
// address was last invalidated. A write that replaces one valid descriptor by another, or a table frame given back
// while a walker may hold it, is noted as a violation.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "hal/stage2/table_builder.hpp"
#include "hal/stage2/table_pool.hpp"

namespace stage2_test {

template <std::size_t kTables>
class RecordingMemory {
 public:
  static constexpr std::uint64_t kFirstFrame = 0x41000;

  RecordingMemory() { pool_.assign(base::FrameNumber{kFirstFrame}); }

  std::uint64_t read_descriptor(base::FrameNumber table, std::size_t index) { return at(table)[index]; }
  void write_descriptor(base::FrameNumber table, std::size_t index, std::uint64_t descriptor) {
    namespace format = hal::registers::stage2_descriptor;
    std::uint64_t& slot = at(table)[index];
    if (format::is_valid(slot) && format::is_valid(descriptor) && slot != descriptor) {
      violations.push_back("valid to valid without break");
    }
    if (live_.contains(table.value) && format::is_valid(descriptor) && held_.contains({table.value, index}) &&
        held_[{table.value, index}] != descriptor) {
      violations.push_back("make before the broken entry was invalidated");
    }
    if (format::is_valid(slot)) held_[{table.value, index}] = slot;
    // The frames of the pool are never mapped by the tests, so a leaf can't be taken for a link to one of them.
    if (format::is_valid(descriptor) && unpublished_.contains(format::table_of(descriptor).value)) {
      violations.push_back("a table was linked before its contents were published");
    }
    slot = descriptor;
    ++writes;
    unpublished_.insert(table.value);
  }
  void publish() { unpublished_.clear(); }
  base::Status invalidate(base::Ipa ipa, base::FrameCount count) {
    if (!unpublished_.empty()) violations.push_back("invalidate before publish");
    ++invalidations;
    invalidated.emplace_back(ipa.value, count.value);
    if (fail_invalidation) return base::Error::kDeviceTimeout;
    held_.clear();  // coarser than a real TLBI: what was named is among it
    return {};
  }
  base::Result<base::FrameNumber> allocate_table() {
    auto table = pool_.take();
    if (!table.ok()) return table;
    at(*table).fill(0);
    live_.insert(table->value);
    for (auto it = held_.begin(); it != held_.end();) {
      it = it->first.first == table->value ? held_.erase(it) : std::next(it);
    }
    return table;
  }
  void free_table(base::FrameNumber table) {
    namespace format = hal::registers::stage2_descriptor;
    if (live_.erase(table.value) == 0) violations.push_back("a table was given back twice");
    for (const auto& [place, descriptor] : held_) {
      if (format::is_table(descriptor, 2) && format::table_of(descriptor) == table) {
        violations.push_back("a table was given back that a walker may hold");
      }
    }
    pool_.give_back(table);
  }
  std::size_t available_tables() { return pool_.available(); }
  std::uint16_t& used_entries(base::FrameNumber table) { return pool_.used_entries(table); }

  std::size_t tables_in_use() const { return live_.size(); }

  std::vector<std::string> violations;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> invalidated;
  std::size_t writes = 0;
  std::size_t invalidations = 0;
  bool fail_invalidation = false;

 private:
  std::array<std::uint64_t, 512>& at(base::FrameNumber table) { return frames_.at(table.value - kFirstFrame); }

  std::vector<std::array<std::uint64_t, 512>> frames_ = std::vector<std::array<std::uint64_t, 512>>(kTables);
  hal::stage2::TablePool<kTables> pool_{};
  std::set<std::uint64_t> live_;
  std::map<std::pair<std::uint64_t, std::size_t>, std::uint64_t> held_;
  std::set<std::uint64_t> unpublished_;
};
static_assert(hal::stage2::TableMemory<RecordingMemory<1>>);

}  // namespace stage2_test
