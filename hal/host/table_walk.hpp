// Walks stage-2 tables as they lie in simulated memory: what hardware finds, written apart from the table builder.
#pragma once

#include <cstdint>

#include "firmware/base/address.hpp"
#include "hal/host/simulated_memory.hpp"
#include "hal/registers/stage2_descriptor.hpp"

namespace host {

// visit_leaf(ipa, level, descriptor) for every valid leaf below `table`, ascending; visit_table(frame, level, ipa) for
// `table` itself and every table below it, parents first.
template <typename VisitLeaf, typename VisitTable>
void walk_tables(const SimulatedMemory& memory, base::FrameNumber table, unsigned level, std::uint64_t ipa,
                 VisitLeaf& visit_leaf, VisitTable& visit_table) {
  namespace format = hal::registers::stage2_descriptor;
  visit_table(table, level, ipa);
  for (std::uint64_t index = 0; index < format::kEntries; ++index, ipa += format::span_of(level)) {
    const std::uint64_t descriptor = memory.load(base::PhysAddr{base::address_of(table).value + index * 8});
    if (format::is_table(descriptor, level)) {
      walk_tables(memory, format::table_of(descriptor), level + 1, ipa, visit_leaf, visit_table);
    } else if (format::is_leaf(descriptor, level)) {
      visit_leaf(base::Ipa{ipa}, level, descriptor);
    }
  }
}

// The frames that a leaf of `level` maps.
[[nodiscard]] inline base::FrameRange frames_of_leaf(std::uint64_t descriptor, unsigned level) {
  namespace format = hal::registers::stage2_descriptor;
  return base::FrameRange::trusted(base::frame_of(format::output_of(descriptor, level)),
                                   base::FrameCount{format::span_of(level) >> base::kFrameShift});
}

}  // namespace host
