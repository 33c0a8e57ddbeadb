// Who owns each core, and what it does.
//
// Invariant `one-core-one-owner`: from donation to reclaim a core runs only the code of its owner. The boot core is
// the parent's for ever.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/ids.hpp"
#include "firmware/base/result.hpp"

namespace partition {

enum class CoreState : std::uint8_t {
  kOff,       // parked in the monitor; the owner may start it
  kStarting,  // the monitor was told to run the owner's code on it
  kRunning,   // runs the owner's code (or the monitor on its behalf)
  kStopping,  // was told to leave the guest; runs no more of its code once it is kOff
};

struct CoreEntry {
  base::PartitionId owner{};
  CoreState state{CoreState::kOff};
  std::uint8_t number{};  // position among the owner's cores, what an enclave sees as its MPIDR
};

inline constexpr std::size_t kMaxCores = 64;  // a mask of cores is one word
using CoreMask = std::uint64_t;

struct CoreTable {
  std::array<CoreEntry, kMaxCores> entries{};
  std::uint8_t count{};

  [[nodiscard]] constexpr const CoreEntry& at(base::CoreId core) const { return entries[core.value]; }
  [[nodiscard]] constexpr CoreEntry& at(base::CoreId core) { return entries[core.value]; }
  [[nodiscard]] constexpr CoreMask owned_by(base::PartitionId owner) const {
    CoreMask mask = 0;
    for (std::uint8_t i = 0; i < count; ++i) {
      if (entries[i].owner == owner) mask |= CoreMask{1} << i;
    }
    return mask;
  }
  // One more than the highest number of a core that the machine has. One that it lacks is the monitor's.
  [[nodiscard]] constexpr std::uint8_t end_of_present() const {
    std::uint8_t end = 0;
    for (std::uint8_t i = 0; i < count; ++i) {
      if (entries[i].owner != base::kMonitor) end = static_cast<std::uint8_t>(i + 1);
    }
    return end;
  }
  // Those of `owner` that are not kOff.
  [[nodiscard]] constexpr CoreMask active(base::PartitionId owner) const {
    CoreMask mask = 0;
    for (std::uint8_t i = 0; i < count; ++i) {
      if (entries[i].owner == owner && entries[i].state != CoreState::kOff) mask |= CoreMask{1} << i;
    }
    return mask;
  }
};

}  // namespace partition
