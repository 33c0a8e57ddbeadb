// What a guest reads in an identification register, given what the core says there (Arm ARM D19.2.59 ff.): an allow-list.
//
// A field is shown only if a guest may use what it describes. Fields of features that trap (SME, allocation tags, RAS, MPAM,
// activity and performance monitors, trace) read as absent, and so does every register that is not in the list, reserved ones
// included: a feature that nobody here has thought of is not there.
#pragma once

#include <cstdint>

#include "hal/registers/esr_el2.hpp"

namespace hal::registers::guest_identification {

// Encodings as SystemRegisterAccess::encoding() has them.
inline constexpr std::uint32_t kPfr0 = esr_el2::system_register(3, 0, 0, 4, 0);   // ID_AA64PFR0_EL1
inline constexpr std::uint32_t kPfr1 = esr_el2::system_register(3, 0, 0, 4, 1);
inline constexpr std::uint32_t kZfr0 = esr_el2::system_register(3, 0, 0, 4, 4);   // ID_AA64ZFR0_EL1
inline constexpr std::uint32_t kDfr0 = esr_el2::system_register(3, 0, 0, 5, 0);
inline constexpr std::uint32_t kIsar0 = esr_el2::system_register(3, 0, 0, 6, 0);
inline constexpr std::uint32_t kIsar1 = esr_el2::system_register(3, 0, 0, 6, 1);
inline constexpr std::uint32_t kIsar2 = esr_el2::system_register(3, 0, 0, 6, 2);
inline constexpr std::uint32_t kMmfr0 = esr_el2::system_register(3, 0, 0, 7, 0);
inline constexpr std::uint32_t kMmfr1 = esr_el2::system_register(3, 0, 0, 7, 1);
inline constexpr std::uint32_t kMmfr2 = esr_el2::system_register(3, 0, 0, 7, 2);

using Sve = Field<32, 4>;  // ID_AA64PFR0_EL1
inline constexpr std::uint64_t kHasPointerAuthentication1 = Field<4, 4>::kMask | Field<8, 4>::kMask;  // ID_AA64ISAR1_EL1: APA, API
inline constexpr std::uint64_t kHasPointerAuthentication2 = Field<12, 4>::kMask;                      // ID_AA64ISAR2_EL1: APA3

// Bits of the fields at these positions; every identification field has four.
template <unsigned... kPositions>
inline constexpr std::uint64_t kFields = ((std::uint64_t{0xF} << kPositions) | ...);

// A field whose value the guest may see only up to a limit.
[[nodiscard]] constexpr std::uint64_t limit(std::uint64_t word, unsigned position, std::uint64_t most) {
  const std::uint64_t value = (word >> position) & 0xF;
  return (word & ~(std::uint64_t{0xF} << position)) | ((value < most ? value : most) << position);
}

// `vectors`: this core's SVE is its guest's.
[[nodiscard]] constexpr std::uint64_t shown(std::uint32_t encoding, std::uint64_t core, bool vectors) {
  switch (encoding) {
    case kPfr0: {
      // FP, AdvSIMD (0xF: absent), GIC, SVE, CSV2, CSV3, DIT; exception levels: AArch64 at EL0 and EL1, no EL2, no EL3.
      const std::uint64_t fields = core & kFields<16, 20, 24, 48, 56, 60>;
      // CSV2_2 has registers of its own, which trap.
      return limit(fields, 56, 1) | (vectors ? core & kFields<32> : 0) | 0x11;
    }
    case kPfr1: return core & kFields<0, 4>;  // BT, SSBS
    // SVEver, AES, EltPerm, BitPerm, BF16, B16B16, SHA3, SM4, I8MM, F16MM, F32MM, F64MM: all of SVE's state is switched,
    // whatever its instructions are.
    case kZfr0: return vectors ? core & kFields<0, 4, 12, 16, 20, 24, 32, 40, 44, 48, 52, 56> : 0;
    // DebugVer, BRPs, WRPs, CTX_CMPs; PMUVer and the rest off. Debugv8p9 (0xB) has MDSELR_EL1, which traps.
    case kDfr0: return limit(core & kFields<0, 12, 20, 28>, 0, 0xA);
    // AES, SHA1, SHA2, CRC32, Atomic, RDM, SHA3, SM3, SM4, DP, FHM, TS, TLB, RNDR
    case kIsar0: return core & kFields<4, 8, 12, 16, 20, 28, 32, 36, 40, 44, 48, 52, 56, 60>;
    // DPB, APA, API, JSCVT, FCMA, LRCPC, GPA, GPI, FRINTTS, SB, SPECRES, BF16, DGH, I8MM
    case kIsar1: return core & kFields<0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52>;
    case kIsar2: return core & kFields<8, 12, 24>;  // GPA3, APA3, PAC_frac
    // PARange, ASIDBits, BigEnd, SNSMem, BigEndEL0, TGran16, TGran64, TGran4, ExS; 40 bits hold every address that stage 2
    // can translate.
    case kMmfr0: return limit(core & kFields<0, 4, 8, 12, 16, 20, 24, 28, 44>, 0, 2);
    // HAFDBS, VMIDBits, HPDS, PAN, XNX. FEAT_HAFT (HAFDBS 3) is turned on in TCR2_EL1, which traps.
    case kMmfr1: return limit(core & kFields<0, 4, 12, 20, 28>, 0, 2);
    // CnP, UAO, LSM, CCIDX (CCSIDR_EL1 is the core's own), ST, AT, TTL, BBM, E0PD; IESB, VARange, FWB off
    case kMmfr2: return core & kFields<0, 4, 8, 20, 28, 32, 48, 52, 60>;
    default: return 0;
  }
}

}  // namespace hal::registers::guest_identification
