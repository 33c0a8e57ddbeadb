// What a guest is told about its core (HCR_EL2.TID1, TID3; Arm ARM D19.2.59 ff.).
//
// A field is shown only if a guest may use what it describes: an allow-list. Fields of features that trap (SVE, SME,
// pointer authentication, allocation tags, RAS, MPAM, activity and performance monitors, trace) read as "absent", and so does every register that is not in the list, reserved ones included.
#include "hal/aarch64/machine.hpp"
#include "hal/aarch64/system_registers.hpp"
#include "hal/registers/esr_el2.hpp"

namespace hal::aarch64 {

namespace {

using registers::Field;
using registers::esr_el2::system_register;

// Bits of the fields at these positions; every identification field has four.
template <unsigned... kPositions>
constexpr std::uint64_t kFields = ((std::uint64_t{0xF} << kPositions) | ...);

// A field whose value the guest may see only up to a limit.
constexpr std::uint64_t limit(std::uint64_t word, unsigned position, std::uint64_t most) {
  const std::uint64_t value = (word >> position) & 0xF;
  return (word & ~(std::uint64_t{0xF} << position)) | ((value < most ? value : most) << position);
}

std::uint64_t processor_features_0() {
  // FP, AdvSIMD (0xF: absent), GIC, CSV2, CSV3, DIT; exception levels: AArch64 at EL0 and EL1, no EL2, no EL3.
  const std::uint64_t shown = HAL_READ_REGISTER(id_aa64pfr0_el1) & kFields<16, 20, 24, 48, 56, 60>;
  return limit(shown, 56, 1) | 0x11;  // CSV2_2 has registers of its own, which trap
}
std::uint64_t processor_features_1() {
  return HAL_READ_REGISTER(id_aa64pfr1_el1) & kFields<0, 4>;  // BT, SSBS
}
std::uint64_t instruction_set_0() {
  // AES, SHA1, SHA2, CRC32, Atomic, RDM, SHA3, SM3, SM4, DP, FHM, TS, TLB, RNDR
  return HAL_READ_REGISTER(id_aa64isar0_el1) & kFields<4, 8, 12, 16, 20, 28, 32, 36, 40, 44, 48, 52, 56, 60>;
}
std::uint64_t instruction_set_1() {
  // DPB, JSCVT, FCMA, LRCPC, FRINTTS, SB, SPECRES, BF16, DGH, I8MM
  return HAL_READ_REGISTER(id_aa64isar1_el1) & kFields<0, 12, 16, 20, 32, 36, 40, 44, 48, 52>;
}
std::uint64_t memory_model_0() {
  // PARange, ASIDBits, BigEnd, SNSMem, BigEndEL0, TGran16, TGran64, TGran4, ExS
  const std::uint64_t shown = HAL_READ_REGISTER(id_aa64mmfr0_el1) & kFields<0, 4, 8, 12, 16, 20, 24, 28, 44>;
  return limit(shown, 0, 2);  // 40 bits hold every address that stage 2 can translate
}
std::uint64_t memory_model_1() {
  // HAFDBS, VMIDBits, HPDS, PAN, XNX
  return HAL_READ_REGISTER(id_aa64mmfr1_el1) & kFields<0, 4, 12, 20, 28>;
}
std::uint64_t memory_model_2() {
  // CnP, UAO, LSM, IESB off, VARange off, ST, AT, FWB off, TTL, BBM, E0PD
  const std::uint64_t shown = HAL_READ_REGISTER(id_aa64mmfr2_el1) & kFields<0, 4, 8, 28, 32, 48, 52, 60>;
  return shown;
}
std::uint64_t debug_features_0() {
  // DebugVer, BRPs, WRPs, CTX_CMPs; PMUVer and the rest off
  return HAL_READ_REGISTER(id_aa64dfr0_el1) & kFields<0, 12, 20, 28>;
}

// Architected at EL1, whatever the core: these must answer, and there is nothing for them to say.
constexpr std::uint32_t kAuxiliaryControl = system_register(3, 0, 1, 0, 1);  // ACTLR_EL1
constexpr std::uint32_t kOsLockAccess = system_register(2, 0, 1, 0, 4);      // OSLAR_EL1
constexpr std::uint32_t kOsLockStatus = system_register(2, 0, 1, 1, 4);      // OSLSR_EL1
constexpr std::uint32_t kOsDoubleLock = system_register(2, 0, 1, 3, 4);      // OSDLR_EL1
constexpr std::uint32_t kPowerControl = system_register(2, 0, 1, 4, 4);      // DBGPRCR_EL1
constexpr std::uint64_t kOsLockModel = 1 << 3;  // OSLSR_EL1.OSLM = 0b10: implemented, and open

}  // namespace

Identification read_identification(std::uint32_t encoding) {
  const std::uint32_t crm = (encoding >> 3) & 0xF;
  // op0 = 3, op1 = 0, CRn = 0, CRm = 1..7: the whole space of identification registers (TID3).
  const bool in_space = (encoding & ~(system_register(0, 0, 0, 0xF, 7))) == system_register(3, 0, 0, 0, 0);
  if (in_space && crm >= 1 && crm <= 7) {
    switch (encoding) {
      case system_register(3, 0, 0, 4, 0): return {true, processor_features_0()};
      case system_register(3, 0, 0, 4, 1): return {true, processor_features_1()};
      case system_register(3, 0, 0, 5, 0): return {true, debug_features_0()};
      case system_register(3, 0, 0, 6, 0): return {true, instruction_set_0()};
      case system_register(3, 0, 0, 6, 1): return {true, instruction_set_1()};
      case system_register(3, 0, 0, 7, 0): return {true, memory_model_0()};
      case system_register(3, 0, 0, 7, 1): return {true, memory_model_1()};
      case system_register(3, 0, 0, 7, 2): return {true, memory_model_2()};
      default: return {true, 0};
    }
  }
  // TID1: REVIDR_EL1, AIDR_EL1, and what later versions add there.
  if (encoding == system_register(3, 0, 0, 0, 6) || encoding == system_register(3, 1, 0, 0, 7) ||
      encoding == system_register(3, 1, 0, 0, 6)) {
    return {true, 0};
  }
  if (encoding == kOsLockStatus) return {true, kOsLockModel};
  return {encoding == kAuxiliaryControl || encoding == kOsDoubleLock || encoding == kPowerControl, 0};
}

bool ignores_writes(std::uint32_t encoding) {
  return encoding == kAuxiliaryControl || encoding == kOsLockAccess || encoding == kOsDoubleLock ||
         encoding == kPowerControl;
}

}  // namespace hal::aarch64
