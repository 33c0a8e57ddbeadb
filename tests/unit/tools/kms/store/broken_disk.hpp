// A disk under SQLite that ends the process, or fails, at the n-th step that writes: a write, a sync, a truncation, a deletion, the
// creation of a file, a change of the shared index.
#pragma once

#include <cstdint>

namespace kms {

enum class Breakage : std::uint8_t {
  kEndBefore,   // SIGKILL instead of the step
  kEndTorn,     // half of what a write has to write, then SIGKILL
  kEndAfter,    // SIGKILL after it
  kPowerLoss,   // everything that wasn't synced is undone, the shared index is gone, SIGKILL instead of the step
  kFail,        // the step answers an error, and every step after it too
};

// Makes it the default from here on. At step `step` (from 1) it breaks; 0: it only counts.
void use_broken_disk(Breakage breakage, std::uint64_t step);
[[nodiscard]] std::uint64_t disk_steps();
void mend_disk();

}  // namespace kms
