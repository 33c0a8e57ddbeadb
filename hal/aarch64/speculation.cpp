// What this core says of itself about speculation.
#include "hal/registers/speculation.hpp"

#include "hal/aarch64/system_registers.hpp"
#include "hal/cpu.hpp"

namespace hal {

SpeculationImmunity speculation_immunity() {
  namespace speculation = registers::speculation;
  const speculation::Identification core{.midr_el1 = HAL_READ_REGISTER(midr_el1),
                                         .id_aa64pfr0_el1 = HAL_READ_REGISTER(id_aa64pfr0_el1),
                                         .id_aa64pfr1_el1 = HAL_READ_REGISTER(id_aa64pfr1_el1),
                                         .id_aa64mmfr1_el1 = HAL_READ_REGISTER(id_aa64mmfr1_el1)};
  return {.branch_targets = speculation::immune_to_branch_targets(core),
          .store_bypass = speculation::immune_to_store_bypass(core),
          .branch_history = speculation::immune_to_branch_history(core)};
}

}  // namespace hal
