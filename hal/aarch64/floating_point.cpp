// Saves and restores the guest's FP/SIMD registers around cryptography.
#include "hal/floating_point.hpp"

#include "hal/aarch64/per_core.hpp"

namespace hal {

extern "C" void hal_save_floating_point(aarch64::FloatingPointState* state);
extern "C" void hal_restore_floating_point(const aarch64::FloatingPointState* state);

FloatingPointScope::FloatingPointScope() { hal_save_floating_point(&aarch64::this_core().guest_floating_point); }

// Restoring overwrites every register, so nothing of the monitor's stays behind; the copy in memory goes as well.
FloatingPointScope::~FloatingPointScope() {
  aarch64::FloatingPointState& state = aarch64::this_core().guest_floating_point;
  hal_restore_floating_point(&state);
  state = aarch64::FloatingPointState{};
}

}  // namespace hal
