// kStatusRead: how many entries a section has, and what an entry says.
//
// Pure, like the plans: what isn't in the state (time, versions, counters of traps) is an argument.
#pragma once

#include <array>
#include <span>

#include "firmware/base/byte_reader.hpp"
#include "firmware/hypercall/state.hpp"

namespace hypercall {

struct StatusFacts {
  std::uint64_t uptime_milliseconds;
  std::uint64_t unix_milliseconds;
  std::uint32_t security_version;
  bool development;
  std::span<const cofferdam_abi::TrapCounters> traps;  // one for each core of the board
};

// What the parent is told; kFreeing shows as stopped.
[[nodiscard]] cofferdam_abi::SlotState published(enclave::SlotState state);

// Bytes of one entry. Errors: kInvalidArgument when there is no such section.
[[nodiscard]] base::Result<std::uint64_t> status_size(std::uint64_t section);
// Precondition: status_size(section).ok().
[[nodiscard]] std::uint64_t status_entries(const SystemState& state, std::uint64_t section);

inline constexpr std::size_t kMaxStatusSize = 256;
// Writes the entry to the front of `buffer`. Preconditions: index < status_entries(state, section).
[[nodiscard]] base::Bytes write_status(const SystemState& state, const StatusFacts& facts, std::uint64_t section,
                                       std::uint64_t index, std::span<std::uint8_t, kMaxStatusSize> buffer);

}  // namespace hypercall
