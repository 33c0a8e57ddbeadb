// An exception that EL3 keeps to itself (SME, a register it does not hand down) becomes what the instruction would
// do on a core without the feature: an undefined-instruction exception at the level that owns the caller.
//
// Pure: the registers of the lower level in, the ones to write out. So no guest can stop the machine by trapping
// to EL3. Source: Arm ARM AArch64.TakeException, D1.3.1 (vector offsets), C5.2.19 (SPSR).
#pragma once

#include <cstdint>

namespace rom {

struct Trapped {
  std::uint64_t esr;   // ESR_EL3
  std::uint64_t spsr;  // SPSR_EL3: the state of the caller
  std::uint64_t hcr;   // HCR_EL2
  std::uint64_t sctlr_el1, sctlr_el2;
  std::uint64_t vbar_el1, vbar_el2;
};
struct Injection {
  bool to_el2;         // else EL1
  std::uint64_t esr;   // ESR of the target
  std::uint64_t pc;    // its vector
  std::uint64_t spsr;  // SPSR_EL3 for the return from EL3
};
[[nodiscard]] Injection make_undefined(const Trapped& trapped);

}  // namespace rom
