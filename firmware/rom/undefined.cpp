#include "firmware/rom/undefined.hpp"

namespace rom {
namespace {

constexpr std::uint64_t kModeMask = 0x1f;
constexpr std::uint64_t kModeAarch32 = 0x10;
constexpr std::uint64_t kEl1h = 0x5;
constexpr std::uint64_t kEl2h = 0x9;
constexpr std::uint64_t kEsrLong = 1 << 25;  // IL: a 32-bit instruction; EC 0 (unknown) otherwise

// SPSR bits that an exception keeps: NZCV and DIT.
constexpr std::uint64_t kKeep = 0xf000'0000 | 1 << 24;
constexpr std::uint64_t kTagOverride = 1 << 25;
constexpr std::uint64_t kPrivilegedNever = 1 << 22;
constexpr std::uint64_t kSafeSpeculation = 1 << 12;
constexpr std::uint64_t kMaskAll = 0xf << 6;

constexpr std::uint64_t kSctlrSpan = 1 << 23;
constexpr std::uint64_t kSctlrDefaultSsbs = std::uint64_t{1} << 44;
constexpr std::uint64_t kHcrTrapGeneral = 1 << 27;  // TGE
constexpr std::uint64_t kHcrHost = std::uint64_t{1} << 34;  // E2H

unsigned level_of(std::uint64_t mode) {
  if ((mode & kModeAarch32) != 0) return mode == kModeAarch32 ? 0 : 1;
  return static_cast<unsigned>(mode >> 2 & 3);
}

std::uint64_t vector_offset(std::uint64_t mode, unsigned target) {
  if (level_of(mode) == target) return (mode & 1) != 0 ? 0x200 : 0x000;
  return (mode & kModeAarch32) != 0 ? 0x600 : 0x400;
}

}  // namespace

Injection make_undefined(const Trapped& trapped) {
  const std::uint64_t mode = trapped.spsr & kModeMask;
  const unsigned level = level_of(mode);
  const bool aarch32_kernel = level == 1 && (mode & kModeAarch32) != 0;  // has no AArch64 vectors of its own
  const bool to_el2 = level == 2 || aarch32_kernel || (level == 0 && (trapped.hcr & kHcrTrapGeneral) != 0);
  const std::uint64_t sctlr = to_el2 ? trapped.sctlr_el2 : trapped.sctlr_el1;
  const std::uint64_t vbar = to_el2 ? trapped.vbar_el2 : trapped.vbar_el1;
  const bool has_pan = !to_el2 || (trapped.hcr & (kHcrHost | kHcrTrapGeneral)) == (kHcrHost | kHcrTrapGeneral);

  std::uint64_t spsr = (trapped.spsr & kKeep) | kTagOverride | kMaskAll | (to_el2 ? kEl2h : kEl1h);
  spsr |= trapped.spsr & kPrivilegedNever;
  if (has_pan && (sctlr & kSctlrSpan) == 0) spsr |= kPrivilegedNever;
  if ((sctlr & kSctlrDefaultSsbs) != 0) spsr |= kSafeSpeculation;
  return {to_el2, trapped.esr & kEsrLong, vbar + vector_offset(mode, to_el2 ? 2 : 1), spsr};
}

}  // namespace rom
