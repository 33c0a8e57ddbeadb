// What a guest is told about its core (HCR_EL2.TID1, TID3; Arm ARM D19.2.59 ff.).
//
// What is shown of each: hal/registers/guest_identification.hpp.
#include "hal/aarch64/machine.hpp"
#include "hal/aarch64/per_core.hpp"
#include "hal/aarch64/system_registers.hpp"
#include "hal/registers/esr_el2.hpp"
#include "hal/registers/guest_identification.hpp"

namespace hal::aarch64 {

namespace {

namespace guest = registers::guest_identification;
using registers::esr_el2::system_register;

// What the core says; the name of a register is part of the instruction.
std::uint64_t read_core(std::uint32_t encoding) {
  switch (encoding) {
    case guest::kPfr0: return HAL_READ_REGISTER(id_aa64pfr0_el1);
    case guest::kZfr0: return HAL_READ_REGISTER(s3_0_c0_c4_4);
    case guest::kPfr1: return HAL_READ_REGISTER(id_aa64pfr1_el1);
    case guest::kDfr0: return HAL_READ_REGISTER(id_aa64dfr0_el1);
    case guest::kIsar0: return HAL_READ_REGISTER(id_aa64isar0_el1);
    case guest::kIsar1: return HAL_READ_REGISTER(id_aa64isar1_el1);
    case guest::kIsar2: return HAL_READ_REGISTER(s3_0_c0_c6_2);
    case guest::kMmfr0: return HAL_READ_REGISTER(id_aa64mmfr0_el1);
    case guest::kMmfr1: return HAL_READ_REGISTER(id_aa64mmfr1_el1);
    case guest::kMmfr2: return HAL_READ_REGISTER(id_aa64mmfr2_el1);
    default: return 0;
  }
}

// Architected at EL1, whatever the core: these must answer, and there is nothing for them to say.
constexpr std::uint32_t kAuxiliaryControl = system_register(3, 0, 1, 0, 1);  // ACTLR_EL1
constexpr std::uint32_t kOsLockAccess = system_register(2, 0, 1, 0, 4);      // OSLAR_EL1
constexpr std::uint32_t kOsLockStatus = system_register(2, 0, 1, 1, 4);      // OSLSR_EL1
constexpr std::uint32_t kOsDoubleLock = system_register(2, 0, 1, 3, 4);      // OSDLR_EL1
constexpr std::uint32_t kPowerControl = system_register(2, 0, 1, 4, 4);      // DBGPRCR_EL1
constexpr std::uint64_t kOsLockModel = 1 << 3;  // OSLSR_EL1.OSLM = 0b10: implemented, and open
constexpr std::uint32_t kDebugRom = system_register(2, 0, 1, 0, 0);          // MDRAR_EL1, not valid
constexpr std::uint32_t kChannelStatus = system_register(2, 3, 0, 1, 0);     // MDCCSR_EL0
constexpr std::uint64_t kChannelFull = 1 << 29;  // TXfull: Linux's hvc_dcc takes it that nobody reads the channel

// The channel to an outside debugger: nobody is at its other end.
bool is_channel_data(std::uint32_t encoding) {
  switch (encoding) {
    case system_register(2, 3, 0, 4, 0):  // DBGDTR_EL0
    case system_register(2, 3, 0, 5, 0):  // DBGDTRRX_EL0, DBGDTRTX_EL0
    case system_register(2, 0, 0, 2, 0):  // MDCCINT_EL1
    case system_register(2, 0, 0, 0, 2):  // OSDTRRX_EL1
    case system_register(2, 0, 0, 3, 2):  // OSDTRTX_EL1
      return true;
    default: return false;
  }
}

}  // namespace

Identification read_identification(std::uint32_t encoding) {
  const std::uint32_t crm = (encoding >> 3) & 0xF;
  // op0 = 3, op1 = 0, CRn = 0, CRm = 1..7: the whole space of identification registers (TID3).
  const bool in_space = (encoding & ~(system_register(0, 0, 0, 0xF, 7))) == system_register(3, 0, 0, 0, 0);
  if (in_space && crm >= 1 && crm <= 7) {
    return {true, guest::shown(encoding, read_core(encoding), this_core().vector_bytes != 0)};
  }
  // TID1: REVIDR_EL1, AIDR_EL1, and what later versions add there.
  if (encoding == system_register(3, 0, 0, 0, 6) || encoding == system_register(3, 1, 0, 0, 7) ||
      encoding == system_register(3, 1, 0, 0, 6)) {
    return {true, 0};
  }
  if (encoding == kOsLockStatus) return {true, kOsLockModel};
  if (encoding == kChannelStatus) return {true, kChannelFull};
  return {encoding == kAuxiliaryControl || encoding == kOsDoubleLock || encoding == kPowerControl ||
              encoding == kDebugRom || is_channel_data(encoding),
          0};
}

bool ignores_writes(std::uint32_t encoding) {
  return encoding == kAuxiliaryControl || encoding == kOsLockAccess || encoding == kOsDoubleLock ||
         encoding == kPowerControl || is_channel_data(encoding);
}

}  // namespace hal::aarch64
