// What ESR_EL2 says about a trap (Arm ARM D19.2.37), and how to compose one: the host machine makes the same words.
#pragma once

#include <cstdint>

#include "firmware/base/address.hpp"
#include "hal/registers/field.hpp"

namespace hal::registers::esr_el2 {

using Ec = Field<26, 6>;
inline constexpr std::uint64_t kIl = bit(25);  // the trapped instruction has 32 bits
using Iss = Field<0, 25>;

enum class ExceptionClass : std::uint8_t {
  kUnknown = 0x00,
  kWfx = 0x01,
  kCp15Mcr32 = 0x03,
  kCp15Mcrr32 = 0x04,
  kCp14Mcr32 = 0x05,
  kCp14Ldc32 = 0x06,
  kFloatingPoint = 0x07,
  kPointerAuthentication = 0x09,
  kLs64 = 0x0A,
  kCp14Mrrc32 = 0x0C,
  kBranchTarget = 0x0D,
  kIllegalState = 0x0E,
  kSvc32 = 0x11,
  kHvc32 = 0x12,
  kSmc32 = 0x13,
  kSystemRegister128 = 0x14,
  kSvc64 = 0x15,
  kHvc64 = 0x16,
  kSmc64 = 0x17,
  kSystemRegister = 0x18,
  kSve = 0x19,
  kEret = 0x1A,
  kPointerAuthenticationFailure = 0x1C,
  kSme = 0x1D,
  kInstructionAbortLower = 0x20,
  kInstructionAbortSame = 0x21,
  kPcAlignment = 0x22,
  kDataAbortLower = 0x24,
  kDataAbortSame = 0x25,
  kSpAlignment = 0x26,
  kMemoryCopy = 0x27,
  kFloatingPoint32 = 0x28,
  kFloatingPoint64 = 0x2C,
  kGuardedStack = 0x2D,
  kSystemError = 0x2F,
  kBreakpointLower = 0x30,
  kBreakpointSame = 0x31,
  kStepLower = 0x32,
  kStepSame = 0x33,
  kWatchpointLower = 0x34,
  kWatchpointSame = 0x35,
  kBreakpoint32 = 0x38,
  kBreakpointInstruction = 0x3C,
};

// May hold a value that the list above does not name: compare, never switch exhaustively on it without default handling.
[[nodiscard]] constexpr ExceptionClass exception_class(std::uint64_t esr) {
  return static_cast<ExceptionClass>(Ec::get(esr));
}
[[nodiscard]] constexpr std::uint64_t make(ExceptionClass exception, std::uint64_t iss) {
  return Ec::put(static_cast<std::uint64_t>(exception)) | kIl | Iss::put(iss);
}

// ---- HVC, SMC --------------------------------------------------------------------------------------------
using CallImmediate = Field<0, 16>;

// ---- MSR, MRS and system instructions (EC 0x18) -------------------------------------------------------------
struct SystemRegisterAccess {
  std::uint8_t op0, op1, crn, crm, op2;
  std::uint8_t rt;  // 31: XZR
  bool read;        // MRS
  // The five fields in one number, op0 highest, for comparison and for tables.
  [[nodiscard]] constexpr std::uint32_t encoding() const {
    return (std::uint32_t{op0} << 14) | (std::uint32_t{op1} << 11) | (std::uint32_t{crn} << 7) |
           (std::uint32_t{crm} << 3) | op2;
  }
};
[[nodiscard]] constexpr std::uint32_t system_register(std::uint32_t op0, std::uint32_t op1, std::uint32_t crn,
                                                      std::uint32_t crm, std::uint32_t op2) {
  return (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;
}
[[nodiscard]] constexpr SystemRegisterAccess decode_system_register(std::uint64_t esr) {
  return {.op0 = static_cast<std::uint8_t>(Field<20, 2>::get(esr)),
          .op1 = static_cast<std::uint8_t>(Field<14, 3>::get(esr)),
          .crn = static_cast<std::uint8_t>(Field<10, 4>::get(esr)),
          .crm = static_cast<std::uint8_t>(Field<1, 4>::get(esr)),
          .op2 = static_cast<std::uint8_t>(Field<17, 3>::get(esr)),
          .rt = static_cast<std::uint8_t>(Field<5, 5>::get(esr)),
          .read = (esr & 1) != 0};
}
[[nodiscard]] constexpr std::uint64_t make_system_register(const SystemRegisterAccess& access) {
  return make(ExceptionClass::kSystemRegister,
              Field<20, 2>::put(access.op0) | Field<17, 3>::put(access.op2) | Field<14, 3>::put(access.op1) |
                  Field<10, 4>::put(access.crn) | Field<5, 5>::put(access.rt) | Field<1, 4>::put(access.crm) |
                  (access.read ? 1U : 0U));
}

// ---- Instruction and data aborts ----------------------------------------------------------------------------
using FaultStatus = Field<0, 6>;
enum class FaultKind : std::uint8_t { kAddressSize, kTranslation, kAccessFlag, kPermission, kExternal, kOther };
[[nodiscard]] constexpr FaultKind fault_kind(std::uint64_t esr) {
  const std::uint64_t status = FaultStatus::get(esr);
  if (status <= 0x03 || status == 0x29) return FaultKind::kAddressSize;
  if (status <= 0x07 || status == 0x2B) return FaultKind::kTranslation;
  if (status <= 0x0B) return FaultKind::kAccessFlag;
  if (status <= 0x0F) return FaultKind::kPermission;
  if (status == 0x10 || (status >= 0x13 && status <= 0x17)) return FaultKind::kExternal;
  return FaultKind::kOther;
}
inline constexpr std::uint64_t kStage1Walk = bit(7);     // S1PTW: the fault is on a stage-1 walk
inline constexpr std::uint64_t kFarNotValid = bit(10);   // FnV
inline constexpr std::uint64_t kSyndromeValid = bit(24); // ISV: size and register below hold
struct DataAbort {
  FaultKind kind;
  bool write;
  bool stage1_walk;
  bool decodable;        // only then the rest holds
  std::uint8_t bytes;    // 1, 2, 4, 8
  std::uint8_t rt;       // 31: XZR
  bool sign_extend;
  bool register64;
};
[[nodiscard]] constexpr DataAbort decode_data_abort(std::uint64_t esr) {
  return {.kind = fault_kind(esr),
          .write = (esr & bit(6)) != 0,
          .stage1_walk = (esr & kStage1Walk) != 0,
          .decodable = (esr & kSyndromeValid) != 0,
          .bytes = static_cast<std::uint8_t>(1U << Field<22, 2>::get(esr)),
          .rt = static_cast<std::uint8_t>(Field<16, 5>::get(esr)),
          .sign_extend = (esr & bit(21)) != 0,
          .register64 = (esr & bit(15)) != 0};
}
// A stage-2 translation fault at `level` on a load or store; the register fields stay zero (ISV = 0).
[[nodiscard]] constexpr std::uint64_t make_data_abort(FaultKind kind, unsigned level, bool write) {
  const std::uint64_t status = kind == FaultKind::kPermission ? 0x0C + level
                               : kind == FaultKind::kExternal ? 0x10
                               : kind == FaultKind::kAccessFlag ? 0x08 + level
                               : kind == FaultKind::kAddressSize ? level
                                                                 : 0x04 + level;
  return make(ExceptionClass::kDataAbortLower, status | (write ? bit(6) : 0));
}

// HPFAR_EL2.FIPA (bits 43:4) holds bits 51:12 of the faulting intermediate address.
[[nodiscard]] constexpr base::Ipa fault_page(std::uint64_t hpfar) { return base::Ipa{Field<4, 40>::get(hpfar) << 12}; }
[[nodiscard]] constexpr std::uint64_t make_hpfar(base::Ipa ipa) { return Field<4, 40>::put(ipa.value >> 12); }

}  // namespace hal::registers::esr_el2
