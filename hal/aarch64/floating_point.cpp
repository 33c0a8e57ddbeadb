// Saves and restores the guest's FP/SIMD registers, and SVE's where the guest has them, around cryptography.
#include "hal/floating_point.hpp"

#include <cstring>

#include "hal/aarch64/per_core.hpp"

namespace hal {

extern "C" void hal_save_floating_point(aarch64::FloatingPointState* state);
extern "C" void hal_restore_floating_point(const aarch64::FloatingPointState* state);
extern "C" void hal_save_vectors(aarch64::FloatingPointState* state);
extern "C" void hal_restore_vectors(const aarch64::FloatingPointState* state);

FloatingPointScope::FloatingPointScope() {
  aarch64::PerCore& core = aarch64::this_core();
  core.vector_bytes != 0 ? hal_save_vectors(&core.guest_floating_point) : hal_save_floating_point(&core.guest_floating_point);
}

// Restoring overwrites every register, so nothing of the monitor's stays behind; the copy in memory goes as well.
FloatingPointScope::~FloatingPointScope() {
  aarch64::PerCore& core = aarch64::this_core();
  aarch64::FloatingPointState& state = core.guest_floating_point;
  if (core.vector_bytes != 0) {
    hal_restore_vectors(&state);
    std::memset(state.vectors.data() + 31 * core.vector_bytes, 0, core.vector_bytes);  // z31; the others are wiped
    std::memset(state.predicates.data(), 0, core.vector_bytes / 8);                    // p0
  } else {
    hal_restore_floating_point(&state);
    std::memset(state.vectors.data(), 0, 32 * std::size_t{16});
  }
  state.fpcr = 0;
  state.fpsr = 0;
}

}  // namespace hal
