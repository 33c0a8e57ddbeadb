// Running a guest on this core, and what it left behind when it trapped.
#pragma once

#include <cstdint>

#include "firmware/base/ids.hpp"

namespace hal {

// The guest's registers while it is in the monitor. esr/far/hpfar are ESR_EL2, FAR_EL2, HPFAR_EL2 of the
// trap (Arm ARM D19.2.37 ff.); the host machine composes them in the same encoding.
struct TrapFrame {
  std::uint64_t x[31];
  std::uint64_t pc;      // ELR_EL2
  std::uint64_t pstate;  // SPSR_EL2
  std::uint64_t esr;
  std::uint64_t far;
  std::uint64_t hpfar;
};

enum class TrapKind : std::uint8_t { kSynchronous, kInterrupt, kSystemError };
enum class AfterTrap : std::uint64_t { kResume, kLeave };  // a whole register: vectors.S tests it

struct GuestEntry {
  base::PartitionId partition{};
  std::uint64_t entry{};     // IPA of the first instruction; EL1h, MMU off, interrupts masked
  std::uint64_t argument{};  // x0; every other register is zero
  std::uint64_t mpidr{};     // what the guest reads in MPIDR_EL1 (VMPIDR_EL2)
};
// Runs the guest on this core from reset state until handle_trap answers kLeave. On return every register
// that the guest could reach holds zero, FP/SIMD, SVE, pointer-authentication keys and EL1 system registers included, and
// branch-predictor and TLB state of the partition is flushed on this core.
void run_guest(const GuestEntry& guest);

// The instruction that trapped has been carried out: what executing it does to PC and PSTATE (BTYPE 0; a software step is
// over, Arm ARM D2.12).
inline void step_over(TrapFrame& frame) {
  constexpr std::uint64_t kStep = std::uint64_t{1} << 21;
  constexpr std::uint64_t kBranchType = std::uint64_t{3} << 10;
  constexpr std::uint64_t kAarch32 = std::uint64_t{1} << 4;
  frame.pc += 4;
  frame.pstate &= ~kStep;
  if ((frame.pstate & kAarch32) == 0) frame.pstate &= ~kBranchType;
}

// Whether the guest's loads and stores were big-endian where it trapped (Arm ARM, SCTLR_EL1.EE and E0E).
[[nodiscard]] bool is_big_endian(const TrapFrame& frame);

// Change the frame so that the guest takes an exception at EL1 when resumed.
void inject_undefined(TrapFrame& frame);                         // EC 0
void inject_external_abort(TrapFrame& frame, bool instruction);  // synchronous, FSC 0x10, FAR as trapped
// An SError that the guest takes when it has unmasked it: what came to the monitor was its own (HCR_EL2.VSE).
void inject_system_error(TrapFrame& frame);

}  // namespace hal
