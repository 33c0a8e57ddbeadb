// Which speculation faults a core does not have, by what its identification registers say (Arm ARM D19.2).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "hal/registers/midr_el1.hpp"

namespace hal::registers::speculation {

struct Identification {
  std::uint64_t midr_el1;
  std::uint64_t id_aa64pfr0_el1;
  std::uint64_t id_aa64pfr1_el1;
  std::uint64_t id_aa64mmfr1_el1;
};

using Csv2 = Field<56, 4>;   // ID_AA64PFR0_EL1; 1: targets of branches are tagged by context, 3: so is their history
using Ssbs = Field<4, 4>;    // ID_AA64PFR1_EL1; not 0: the guest has PSTATE.SSBS and needs nobody to set it
using Ecbhb = Field<60, 4>;  // ID_AA64MMFR1_EL1; not 0: branch history can't be exploited across contexts

// Cortex-A34, A35, A53, A55, A510 and A520 run in order: Arm lists them as not affected by any of the three.
inline constexpr std::array<std::uint16_t, 6> kInOrder{0xD02, 0xD03, 0xD04, 0xD05, 0xD46, 0xD80};

[[nodiscard]] constexpr bool runs_in_order(std::uint64_t midr) {
  return midr_el1::Implementer::get(midr) == midr_el1::kArm &&
         std::find(kInOrder.begin(), kInOrder.end(), midr_el1::PartNumber::get(midr)) != kInOrder.end();
}
[[nodiscard]] constexpr bool immune_to_branch_targets(const Identification& core) {
  return Csv2::get(core.id_aa64pfr0_el1) >= 1 || runs_in_order(core.midr_el1);
}
[[nodiscard]] constexpr bool immune_to_store_bypass(const Identification& core) {
  return Ssbs::get(core.id_aa64pfr1_el1) != 0 || runs_in_order(core.midr_el1);
}
[[nodiscard]] constexpr bool immune_to_branch_history(const Identification& core) {
  return Csv2::get(core.id_aa64pfr0_el1) >= 3 || Ecbhb::get(core.id_aa64mmfr1_el1) != 0 ||
         runs_in_order(core.midr_el1);
}

}  // namespace hal::registers::speculation
