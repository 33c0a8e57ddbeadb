// What EL3 leaves to EL2: all there is, except the secure world, SME and the ROM's own memory.
//
// The value of SCR_EL3 is a pure function of what the core says it has: a bit whose feature is absent stays 0, a
// feature that is present belongs to EL2 instead of trapping to EL3.
// Source: Arm ARM D19.2.34 (CPTR_EL3), D19.2.117 (SCR_EL3), D19.2.61 ff. (ID registers), D19.3.22 (MDCR_EL3).
#pragma once

#include <cstdint>

namespace rom {

struct IdRegisters {
  std::uint64_t pfr0, pfr1, pfr2;
  std::uint64_t isar1, isar2;
  std::uint64_t mmfr0, mmfr1, mmfr3;
  std::uint64_t dfr0;
};

namespace scr {
inline constexpr std::uint64_t kNonSecure = std::uint64_t{1} << 0;
inline constexpr std::uint64_t kHypervisorCall = std::uint64_t{1} << 8;
inline constexpr std::uint64_t kSecureFetchOnly = std::uint64_t{1} << 9;
inline constexpr std::uint64_t kAarch64 = std::uint64_t{1} << 10;
}  // namespace scr

namespace cptr {
inline constexpr std::uint64_t kVectors = std::uint64_t{1} << 8;  // EZ: SVE does not trap
}  // namespace cptr

[[nodiscard]] std::uint64_t scr_el3_value(const IdRegisters& id);
[[nodiscard]] std::uint64_t mdcr_el3_value(const IdRegisters& id);
// FP and SIMD free; ESM = 0: SME stays off.
[[nodiscard]] std::uint64_t cptr_el3_value(const IdRegisters& id);

// On each core, right before it goes down (EL3 only).
void configure_lower_levels();

}  // namespace rom
