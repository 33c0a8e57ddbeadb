// The pure half of lower_levels.hpp; the registers are written in configure_lower_levels.cpp.
#include "firmware/rom/lower_levels.hpp"

#include <array>

namespace rom {
namespace {

using Register = std::uint64_t IdRegisters::*;

// When field `shift`+3..`shift` of the ID register is at least `minimum`, the feature exists and EL2 gets `bit`.
struct Grant {
  Register id;
  std::uint8_t shift;
  std::uint8_t minimum;
  std::uint8_t bit;
};

constexpr std::array kScrGrants{
    Grant{&IdRegisters::isar1, 4, 1, 16},    // APA: pointer authentication, APK
    Grant{&IdRegisters::isar1, 4, 1, 17},    // APA: pointer authentication, API
    Grant{&IdRegisters::isar1, 8, 1, 16},    // API (another algorithm), APK
    Grant{&IdRegisters::isar1, 8, 1, 17},    // API (another algorithm), API
    Grant{&IdRegisters::isar2, 12, 1, 16},   // APA3, APK
    Grant{&IdRegisters::isar2, 12, 1, 17},   // APA3, API
    Grant{&IdRegisters::pfr0, 56, 2, 25},    // CSV2: SCXTNUM registers
    Grant{&IdRegisters::pfr1, 8, 2, 26},     // MTE: allocation tags
    Grant{&IdRegisters::mmfr0, 56, 1, 27},   // FGT: fine-grained traps
    Grant{&IdRegisters::mmfr0, 56, 2, 59},   // FGT2
    Grant{&IdRegisters::mmfr0, 60, 2, 28},   // ECV: CNTPOFF_EL2
    Grant{&IdRegisters::pfr0, 44, 2, 35},    // AMU: virtual offsets
    Grant{&IdRegisters::isar1, 60, 3, 36},   // LS64_ACCDATA: ST64BV0
    Grant{&IdRegisters::isar1, 60, 3, 37},   // LS64_ACCDATA: ACCDATA_EL1
    Grant{&IdRegisters::mmfr1, 40, 1, 38},   // HCX: HCRX_EL2
    Grant{&IdRegisters::pfr1, 44, 1, 39},    // GCS: guarded control stacks
    Grant{&IdRegisters::pfr1, 48, 1, 42},    // THE: RCW mask registers
    Grant{&IdRegisters::mmfr3, 0, 1, 43},    // TCR2
    Grant{&IdRegisters::mmfr3, 4, 1, 44},    // SCTLR2
    Grant{&IdRegisters::mmfr3, 8, 1, 45},    // S1PIE: permission indirection
    Grant{&IdRegisters::mmfr3, 24, 1, 46},   // AIE: attribute indirection
    Grant{&IdRegisters::mmfr3, 32, 1, 47},   // D128
    Grant{&IdRegisters::pfr2, 32, 1, 50},    // FPMR
};

constexpr std::uint64_t kMdcrSecureDebugOff = std::uint64_t{1} << 16;  // SDD: no debug exceptions at EL3
constexpr std::uint64_t kMdcrCyclesOffSecure = std::uint64_t{1} << 23;  // SCCD: the cycle counter stops at EL3
constexpr std::array kMdcrGrants{
    Grant{&IdRegisters::dfr0, 32, 1, 12},  // PMSVer: statistical profiling, NSPB low
    Grant{&IdRegisters::dfr0, 32, 1, 13},  // and high: the buffer is non-secure, EL3 does not trap it
    Grant{&IdRegisters::dfr0, 44, 1, 24},  // TraceBuffer: NSTB low
    Grant{&IdRegisters::dfr0, 44, 1, 25},  // and high
};

template <std::size_t kCount>
std::uint64_t granted(const IdRegisters& id, const std::array<Grant, kCount>& grants) {
  std::uint64_t value = 0;
  for (const Grant& grant : grants) {
    const std::uint64_t field = (id.*grant.id >> grant.shift) & 0xf;
    if (field >= grant.minimum) value |= std::uint64_t{1} << grant.bit;
  }
  return value;
}

}  // namespace

std::uint64_t scr_el3_value(const IdRegisters& id) {
  return scr::kNonSecure | scr::kHypervisorCall | scr::kSecureFetchOnly | scr::kAarch64 | granted(id, kScrGrants);
}

std::uint64_t cptr_el3_value(const IdRegisters& id) {
  constexpr unsigned kSve = 32;
  return (id.pfr0 >> kSve & 0xf) != 0 ? cptr::kVectors : 0;
}

std::uint64_t mdcr_el3_value(const IdRegisters& id) {
  const std::uint64_t pmu = (id.dfr0 >> 8) & 0xf;
  const bool counts_can_stop = pmu >= 6 && pmu != 0xf;  // PMUv3p5
  return kMdcrSecureDebugOff | (counts_can_stop ? kMdcrCyclesOffSecure : 0) | granted(id, kMdcrGrants);
}

}  // namespace rom
