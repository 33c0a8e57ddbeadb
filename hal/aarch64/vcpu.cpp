// hal/vcpu.hpp: what a guest finds on its core, what it can't touch there, and what is left when it has gone.
//
// Rule: every register that a guest can write is in reset_guest_registers() below; every other one traps, by the
// controls of prepare_guest_controls(). tests sweep all encodings from a guest.
#include "hal/vcpu.hpp"

#include "hal/aarch64/machine.hpp"
#include "hal/aarch64/per_core.hpp"
#include "hal/aarch64/system_registers.hpp"
#include "hal/registers/esr_el2.hpp"
#include "hal/registers/guest_identification.hpp"
#include "hal/registers/hcr_el2.hpp"
#include "hal/registers/sctlr.hpp"
#include "hal/upcalls.hpp"

namespace hal {

extern "C" {
void hal_enter_guest(std::uint64_t entry, std::uint64_t argument, std::uint64_t pstate);
void hal_clear_floating_point();
void hal_clear_vectors();
std::uint64_t hal_vector_bytes();
AfterTrap hal_guest_exception(TrapKind kind, TrapFrame* frame);
}

namespace {

namespace esr_el2 = registers::esr_el2;

constexpr std::uint64_t kEl1h = 0b0101;
constexpr std::uint64_t kMasked = 0xF << 6;  // D, A, I, F

// All but key A for instructions, where the monitor's own is now: the guest's is in its frame, vectors.S.
void reset_pointer_keys() {
  HAL_WRITE_REGISTER(s3_0_c2_c1_2, 0);  // APIBKeyLo_EL1, Hi
  HAL_WRITE_REGISTER(s3_0_c2_c1_3, 0);
  HAL_WRITE_REGISTER(s3_0_c2_c2_0, 0);  // APDAKey
  HAL_WRITE_REGISTER(s3_0_c2_c2_1, 0);
  HAL_WRITE_REGISTER(s3_0_c2_c2_2, 0);  // APDBKey
  HAL_WRITE_REGISTER(s3_0_c2_c2_3, 0);
  HAL_WRITE_REGISTER(s3_0_c2_c3_0, 0);  // APGAKey
  HAL_WRITE_REGISTER(s3_0_c2_c3_1, 0);
}

// Everything a guest at EL1 or EL0 can write without a trap. Cached translations of the old values don't survive:
// the TLB of the partition is flushed on this core when it leaves.
void reset_guest_registers() {
  HAL_WRITE_REGISTER(sctlr_el1, registers::sctlr_el1::kReset);
  HAL_WRITE_REGISTER(cpacr_el1, 0);
  HAL_WRITE_REGISTER(ttbr0_el1, 0);
  HAL_WRITE_REGISTER(ttbr1_el1, 0);
  HAL_WRITE_REGISTER(tcr_el1, 0);
  HAL_WRITE_REGISTER(mair_el1, 0);
  HAL_WRITE_REGISTER(amair_el1, 0);
  HAL_WRITE_REGISTER(vbar_el1, 0);
  HAL_WRITE_REGISTER(esr_el1, 0);
  HAL_WRITE_REGISTER(far_el1, 0);
  HAL_WRITE_REGISTER(afsr0_el1, 0);
  HAL_WRITE_REGISTER(afsr1_el1, 0);
  HAL_WRITE_REGISTER(elr_el1, 0);
  HAL_WRITE_REGISTER(spsr_el1, 0);
  HAL_WRITE_REGISTER(sp_el0, 0);
  HAL_WRITE_REGISTER(sp_el1, 0);
  HAL_WRITE_REGISTER(par_el1, 0);
  HAL_WRITE_REGISTER(contextidr_el1, 0);
  HAL_WRITE_REGISTER(tpidr_el0, 0);
  HAL_WRITE_REGISTER(tpidrro_el0, 0);
  HAL_WRITE_REGISTER(tpidr_el1, 0);
  HAL_WRITE_REGISTER(csselr_el1, 0);
  HAL_WRITE_REGISTER(cntkctl_el1, 0);
  HAL_WRITE_REGISTER(cntv_ctl_el0, 0);
  HAL_WRITE_REGISTER(cntv_cval_el0, 0);
  HAL_WRITE_REGISTER(cntp_ctl_el0, 0);
  HAL_WRITE_REGISTER(cntp_cval_el0, 0);
  if (((HAL_READ_REGISTER(id_aa64pfr0_el1) >> 28) & 0xF) != 0) {  // FEAT_RAS: a guest writes VDISR_EL2 as DISR_EL1
    HAL_WRITE_REGISTER(s3_4_c12_c1_1, 0);                          // VDISR_EL2
    HAL_WRITE_REGISTER(s3_4_c5_c2_3, 0);                           // VSESR_EL2
  }
  if (aarch64::signs_pointers()) reset_pointer_keys();
  if (aarch64::this_core().vector_bytes != 0) {
    HAL_WRITE_REGISTER(s3_0_c1_c2_0, 0);  // ZCR_EL1
    hal_clear_vectors();
  } else {
    hal_clear_floating_point();
  }
  aarch64::reset_self_hosted_debug();
  aarch64::reset_virtual_interrupts();
}

// FEAT_SPECRES: what the predictors learnt from this partition's code is not used for anybody else's.
void forget_predictions(base::PartitionId partition) {
  constexpr std::uint64_t kNonSecure = std::uint64_t{1} << 26;
  constexpr std::uint64_t kAnyAsid = std::uint64_t{1} << 16;
  if (((HAL_READ_REGISTER(id_aa64isar1_el1) >> 40) & 0xF) == 0) return;
  for (std::uint64_t level = 0; level < 2; ++level) {
    const std::uint64_t context =
        (std::uint64_t{partition.value} << 32) | (level << 24) | kNonSecure | kAnyAsid;
    asm volatile("sys #3, c7, c3, #4, %0" : : "r"(context) : "memory");  // CFP RCTX
    asm volatile("sys #3, c7, c3, #5, %0" : : "r"(context) : "memory");  // DVP RCTX
    asm volatile("sys #3, c7, c3, #7, %0" : : "r"(context) : "memory");  // CPP RCTX
  }
}

// An address that faulted while its block was being split (invalid for a moment, on purpose) is mapped again now.
// True when the access would succeed. PAR_EL1 is the guest's: kept.
bool is_mapped_now(const TrapFrame& frame) {
  constexpr std::uint64_t kFailed = 1;
  const bool from_el0 = (frame.pstate & 0xF) == 0;
  const bool write = esr_el2::exception_class(frame.esr) == esr_el2::ExceptionClass::kDataAbortLower &&
                     esr_el2::decode_data_abort(frame.esr).write;
  const std::uint64_t saved = HAL_READ_REGISTER(par_el1);
  if (from_el0 && write) asm volatile("at s12e0w, %0" : : "r"(frame.far) : "memory");
  if (from_el0 && !write) asm volatile("at s12e0r, %0" : : "r"(frame.far) : "memory");
  if (!from_el0 && write) asm volatile("at s12e1w, %0" : : "r"(frame.far) : "memory");
  if (!from_el0 && !write) asm volatile("at s12e1r, %0" : : "r"(frame.far) : "memory");
  aarch64::isb();
  const bool mapped = (HAL_READ_REGISTER(par_el1) & kFailed) == 0;
  HAL_WRITE_REGISTER(par_el1, saved);
  return mapped;
}

// A register that the machine answers for the core: what describes it, and what is there without meaning anything.
// Rt 31 is the zero register.
bool answer_register(TrapFrame& frame) {
  const esr_el2::SystemRegisterAccess access = esr_el2::decode_system_register(frame.esr);
  const aarch64::Identification answer = access.read ? aarch64::read_identification(access.encoding())
                                                     : aarch64::Identification{aarch64::ignores_writes(access.encoding()), 0};
  if (!answer.known) return false;
  if (access.read && access.rt != 31) frame.x[access.rt] = answer.value;
  step_over(frame);
  return true;
}

// True when the exception concerns the machine alone and is dealt with.
bool is_settled_here(TrapKind kind, TrapFrame& frame) {
  switch (kind) {
    case TrapKind::kSynchronous:
      switch (esr_el2::exception_class(frame.esr)) {
        case esr_el2::ExceptionClass::kSystemRegister: return answer_register(frame);
        case esr_el2::ExceptionClass::kDataAbortLower:
        case esr_el2::ExceptionClass::kInstructionAbortLower:
          if (esr_el2::fault_kind(frame.esr) != esr_el2::FaultKind::kTranslation) return false;
          aarch64::wait_for_table_change();
          return is_mapped_now(frame);
        default: return false;
      }
    case TrapKind::kInterrupt:
      if (aarch64::is_halting()) aarch64::stop_this_core();
      return aarch64::drop_late_wake();
    case TrapKind::kSystemError: return false;
  }
  return false;
}

// The machine answers what is only its own; the rest is the monitor's.
[[gnu::noinline, gnu::cold]] AfterTrap settle_or_hand_up(TrapKind kind, TrapFrame& frame) {
  return is_settled_here(kind, frame) ? AfterTrap::kResume : handle_trap(kind, frame);
}

}  // namespace

// Called by vectors.S. Calls take the short way.
AfterTrap hal_guest_exception(TrapKind kind, TrapFrame* frame) {
  const bool is_call = kind == TrapKind::kSynchronous &&
                       esr_el2::exception_class(frame->esr) == esr_el2::ExceptionClass::kHvc64;
  return is_call ? handle_trap(kind, *frame) : settle_or_hand_up(kind, *frame);
}

namespace aarch64 {

namespace {

// What a guest's coprocessor accesses trap: SME, trace and activity monitors; FP/SIMD does not, and SVE does not where the core
// has it. The bits set besides are RES1. A core shows no longer vectors than the boot core: a guest may move between cores.
void prepare_vectors() {
  namespace guest = registers::guest_identification;
  constexpr std::uint64_t kFeatureTraps = 0x33FF | registers::bit(20) | registers::bit(30);  // TZ, TSM; TTA, TAM
  constexpr std::uint64_t kTz = registers::bit(8);
  constexpr std::uint64_t kLongest = 0xF;  // ZCR_EL2.LEN: 2048 bits, or what there is
  constexpr std::uint64_t kQuadword = 16;
  PerCore& core = this_core();
  const std::uint64_t boot_cores = hal_per_core[boot_core()].vector_bytes;
  const bool first = core.index == boot_core();
  if (guest::Sve::get(HAL_READ_REGISTER(id_aa64pfr0_el1)) == 0 || (!first && boot_cores == 0)) {
    HAL_WRITE_REGISTER(cptr_el2, kFeatureTraps);
    return;
  }
  HAL_WRITE_REGISTER(cptr_el2, kFeatureTraps & ~kTz);
  isb();
  HAL_WRITE_REGISTER(s3_4_c1_c2_0, first ? kLongest : boot_cores / kQuadword - 1);  // ZCR_EL2
  isb();
  core.vector_bytes = hal_vector_bytes();
}

}  // namespace

[[gnu::noinline, gnu::cold]] void prepare_guest_controls() {
  // The breakpoints of a core are its owner's (reset with it, hal/aarch64/debug.cpp); the OS lock, the channel to an
  // outside debugger, trace, performance monitors and statistical profiling trap; nothing counts or traces at EL2.
  constexpr std::uint64_t kDebugTraps = registers::bit(5) | registers::bit(6) |    // TPMCR, TPM
                                        registers::bit(10) | registers::bit(11) |  // TDOSA, TDRA
                                        registers::bit(14) |                       // TPMS
                                        registers::bit(17) |                       // HPMD
                                        registers::bit(19) | registers::bit(27);   // TTRF, TDCC
  HAL_WRITE_REGISTER(mdcr_el2, kDebugTraps);
  prepare_vectors();
  HAL_WRITE_REGISTER(hstr_el2, 0);
  HAL_WRITE_REGISTER(cnthctl_el2, 3);  // EL1PCTEN, EL1PCEN: the core is its owner's alone, and so are its timers
  HAL_WRITE_REGISTER(cntvoff_el2, 0);
  HAL_WRITE_REGISTER(vpidr_el2, HAL_READ_REGISTER(midr_el1));

  // Later features: everything that has no field in HCR_EL2 is refused by the fine-grained traps at zero, whose `n`
  // bits trap when clear.
  const std::uint64_t mmfr0 = HAL_READ_REGISTER(id_aa64mmfr0_el1);
  const std::uint64_t mmfr1 = HAL_READ_REGISTER(id_aa64mmfr1_el1);
  const std::uint64_t pfr0 = HAL_READ_REGISTER(id_aa64pfr0_el1);
  const std::uint64_t fine_grained = (mmfr0 >> 56) & 0xF;
  if (fine_grained >= 1) {
    HAL_WRITE_REGISTER(s3_4_c1_c1_4, 0);  // HFGRTR_EL2
    HAL_WRITE_REGISTER(s3_4_c1_c1_5, 0);  // HFGWTR_EL2
    HAL_WRITE_REGISTER(s3_4_c1_c1_6, 0);  // HFGITR_EL2
    HAL_WRITE_REGISTER(s3_4_c3_c1_4, 0);  // HDFGRTR_EL2
    HAL_WRITE_REGISTER(s3_4_c3_c1_5, 0);  // HDFGWTR_EL2
    if (((pfr0 >> 44) & 0xF) != 0) HAL_WRITE_REGISTER(s3_4_c3_c1_6, 0);  // HAFGRTR_EL2, with activity monitors
  }
  if (fine_grained >= 2) {
    HAL_WRITE_REGISTER(s3_4_c3_c1_2, 0);  // HFGRTR2_EL2
    HAL_WRITE_REGISTER(s3_4_c3_c1_3, 0);  // HFGWTR2_EL2
    HAL_WRITE_REGISTER(s3_4_c3_c1_7, 0);  // HFGITR2_EL2
    HAL_WRITE_REGISTER(s3_4_c3_c1_0, 0);  // HDFGRTR2_EL2
    HAL_WRITE_REGISTER(s3_4_c3_c1_1, 0);  // HDFGWTR2_EL2
  }
  if (((mmfr1 >> 40) & 0xF) != 0) HAL_WRITE_REGISTER(s3_4_c1_c2_2, 0);  // HCRX_EL2
  if (((pfr0 >> 40) & 0xF) != 0) {
    HAL_WRITE_REGISTER(s3_4_c10_c5_0, registers::bit(48) | registers::bit(49));  // MPAM2_EL2: MPAM0, MPAM1 trap
  }
  HAL_WRITE_REGISTER(hcr_el2, registers::hcr_el2::make_guest_value());
  isb();
}

}  // namespace aarch64

namespace {

// A system error that a guest has caused ends with it: whoever has the core next did nothing. Without FEAT_RAS the
// instruction is a NOP, and an error that is late reaches the next owner (docs/not-covered.md).
void drop_system_errors() {
  HAL_WRITE_REGISTER(hcr_el2, registers::hcr_el2::make_guest_value());  // HCR_EL2.VSE off
  asm volatile("dsb sy; hint #16" : : : "memory");                       // ESB
  if (((HAL_READ_REGISTER(id_aa64pfr0_el1) >> 28) & 0xF) != 0) HAL_WRITE_REGISTER(s3_0_c12_c1_1, 0);  // DISR_EL1
}

}  // namespace

[[gnu::noinline, gnu::cold]] void run_guest(const GuestEntry& guest) {
  drop_system_errors();
  reset_guest_registers();
  HAL_WRITE_REGISTER(vmpidr_el2, guest.mpidr | registers::bit(31));  // RES1
  aarch64::enter_address_space(guest.partition);
  asm volatile("ic iallu; dsb nsh; isb" : : : "memory");
  hal_enter_guest(guest.entry, guest.argument, kEl1h | kMasked);
  drop_system_errors();
  reset_guest_registers();
  forget_predictions(guest.partition);
  aarch64::leave_address_space();
  asm volatile("ic iallu; dsb nsh; isb" : : : "memory");
}

namespace {

// What a core does when it takes a synchronous exception to EL1 (Arm ARM, AArch64.TakeException).
void take_exception_to_el1(TrapFrame& frame, std::uint64_t esr) {
  constexpr std::uint64_t kFlags = std::uint64_t{0xF} << 28;
  constexpr std::uint64_t kPan = registers::bit(22);
  constexpr std::uint64_t kDit = registers::bit(24);
  constexpr std::uint64_t kTco = registers::bit(25);
  constexpr std::uint64_t kSsbs = registers::bit(12);
  constexpr std::uint64_t kAarch32 = registers::bit(4);
  const std::uint64_t sctlr = HAL_READ_REGISTER(sctlr_el1);
  std::uint64_t offset = 0x200;
  if ((frame.pstate & kAarch32) != 0) {
    offset = 0x600;
  } else if ((frame.pstate & 0xC) == 0) {
    offset = 0x400;  // from EL0
  } else if ((frame.pstate & 1) == 0) {
    offset = 0;  // from EL1 on SP_EL0
  }
  std::uint64_t pstate = (frame.pstate & (kFlags | kDit | kPan)) | kMasked | kEl1h;
  if ((frame.pstate & kAarch32) != 0) pstate &= kFlags;
  pstate |= kMasked | kEl1h;
  const bool has_pan = ((HAL_READ_REGISTER(id_aa64mmfr1_el1) >> 20) & 0xF) != 0;
  if (has_pan && (sctlr & registers::bit(23)) == 0) pstate |= kPan;  // SPAN
  if ((sctlr & registers::bit(44)) != 0) pstate |= kSsbs;            // DSSBS
  if (((HAL_READ_REGISTER(id_aa64pfr1_el1) >> 8) & 0xF) >= 2) pstate |= kTco;
  HAL_WRITE_REGISTER(spsr_el1, frame.pstate);
  HAL_WRITE_REGISTER(elr_el1, frame.pc);
  HAL_WRITE_REGISTER(esr_el1, esr);
  frame.pc = HAL_READ_REGISTER(vbar_el1) + offset;
  frame.pstate = pstate;
}

bool is_from_el0(const TrapFrame& frame) { return (frame.pstate & 0xF) == 0 || (frame.pstate & 0x1F) == 0x10; }

}  // namespace

bool is_big_endian(const TrapFrame& frame) { return registers::sctlr_el1::is_big_endian(HAL_READ_REGISTER(sctlr_el1), frame.pstate); }

void inject_undefined(TrapFrame& frame) {
  take_exception_to_el1(frame, esr_el2::make(esr_el2::ExceptionClass::kUnknown, 0));
}

void inject_system_error(TrapFrame&) {
  if (((HAL_READ_REGISTER(id_aa64pfr0_el1) >> 28) & 0xF) != 0) HAL_WRITE_REGISTER(s3_4_c5_c2_3, 0);  // VSESR_EL2
  HAL_WRITE_REGISTER(hcr_el2, HAL_READ_REGISTER(hcr_el2) | registers::hcr_el2::kVse);
}

void inject_external_abort(TrapFrame& frame, bool instruction) {
  using esr_el2::ExceptionClass;
  constexpr std::uint64_t kExternal = 0x10;
  const bool lower = is_from_el0(frame);
  std::uint64_t iss = kExternal | (frame.esr & esr_el2::kFarNotValid);
  if (!instruction) iss |= frame.esr & registers::bit(6);  // WnR
  const ExceptionClass exception = instruction ? (lower ? ExceptionClass::kInstructionAbortLower
                                                        : ExceptionClass::kInstructionAbortSame)
                                               : (lower ? ExceptionClass::kDataAbortLower
                                                        : ExceptionClass::kDataAbortSame);
  HAL_WRITE_REGISTER(far_el1, frame.far);
  take_exception_to_el1(frame, esr_el2::make(exception, iss));
}

}  // namespace hal
