// What the table builder asks of a machine: reach into table frames, a pool of them, and invalidation.
//
// One value of the policy stands for one partition: it knows the partition and its root when it is asked to
// invalidate. hal/aarch64 writes real memory; hal/host records every write and delays invalidation on purpose.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "firmware/base/address.hpp"
#include "firmware/base/result.hpp"

namespace hal::stage2 {

template <typename Memory>
concept TableMemory = requires(Memory& memory, base::FrameNumber table, std::size_t index, std::uint64_t descriptor,
                               base::Ipa ipa, base::FrameCount count) {
  // Single-copy atomic, 64 bits.
  { memory.read_descriptor(table, index) } -> std::same_as<std::uint64_t>;
  { memory.write_descriptor(table, index, descriptor) };
  // Every write so far is visible to every walker, cores and devices, before any later one (Arm: DSB ISHST).
  { memory.publish() };
  // No walker holds a translation of the range, nor a pointer to a table that was its only one, afterwards; in
  // every core and in the SMMU. Errors: kDeviceTimeout.
  { memory.invalidate(ipa, count) } -> std::same_as<base::Status>;
  // A frame of zeroes with no used entries. Errors: kNoTables.
  { memory.allocate_table() } -> std::same_as<base::Result<base::FrameNumber>>;
  { memory.free_table(table) };
  { memory.available_tables() } -> std::same_as<std::size_t>;
  // How many entries of an allocated table are valid: kept beside the table, so that an empty one is known at once.
  { memory.used_entries(table) } -> std::same_as<std::uint16_t&>;
};

}  // namespace hal::stage2
