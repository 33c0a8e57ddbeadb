// RNDR (FEAT_RNG, Arm ARM D19.12): the core's own generator.
#include "hal/entropy.hpp"

#include "hal/aarch64/system_registers.hpp"

namespace hal {

base::Result<std::uint64_t> entropy_sample() {
  constexpr unsigned kTries = 1000;
  if ((HAL_READ_REGISTER(id_aa64isar0_el1) >> 60) == 0) return base::Error::kNoEntropy;
  for (unsigned i = 0; i < kTries; ++i) {
    std::uint64_t value = 0;
    std::uint64_t answered = 0;
    // Z is set, and the value zero, when there was nothing to give in time.
    asm volatile("mrs %0, s3_3_c2_c4_0; cset %1, ne" : "=r"(value), "=r"(answered) : : "cc");
    if (answered != 0) return value;
  }
  return base::Error::kNoEntropy;
}

}  // namespace hal
