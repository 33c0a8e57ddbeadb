// The core that runs, and how cores wait for one another.
#pragma once

#include <cstdint>

#include "firmware/base/ids.hpp"

namespace hal {

[[nodiscard]] base::CoreId current_core();
void relax();           // inside a spin loop (Arm: YIELD)
void wait_for_event();  // until signal_cores(), or an interrupt; may return early (Arm: WFE)
void signal_cores();    // wakes every core that waits (Arm: DSB; SEV)
// A counter that only rises; on the target CNTPCT_EL0, with -icount instructions.
[[nodiscard]] std::uint64_t ticks();
[[nodiscard]] std::uint64_t ticks_per_second();
// What the cores of this machine do for the monitor, all of them alike; attested.
struct CoreProtections {
  bool repeat_tlbi;             // MIDR names a core of CVE-2025-10263: every TLB invalidation is done twice
  bool pointer_authentication;  // in use at EL2
  bool branch_targets;          // BTI in use at EL2
};
[[nodiscard]] CoreProtections core_protections();
// Speculation faults that this core does not have, so that no guest on it needs firmware's help against them.
struct SpeculationImmunity {
  bool branch_targets;  // CVE-2017-5715
  bool store_bypass;    // CVE-2018-3639; also where the guest has PSTATE.SSBS
  bool branch_history;  // CVE-2022-23960
};
[[nodiscard]] SpeculationImmunity speculation_immunity();
// The machine can't go on: secrets are wiped, every core is stopped, nothing returns.
[[noreturn]] void halt();

}  // namespace hal
