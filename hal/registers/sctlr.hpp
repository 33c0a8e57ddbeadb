// SCTLR_EL1 and SCTLR_EL2 (Arm ARM D19.2.142, D19.2.143): what a guest starts with, and how the monitor runs.
#pragma once

#include <cstdint>

#include "hal/registers/field.hpp"

namespace hal::registers {

namespace sctlr_el1 {
inline constexpr std::uint64_t kE0e = bit(24);  // big-endian: data accesses of EL0
inline constexpr std::uint64_t kEe = bit(25);   // those of EL1, and translation tables
// MMU, caches, alignment checks off; RES1 of a core without newer features: bits 11 (EOS), 20, 22 (EIS), 23 (SPAN),
// 28 (nTLSMD), 29 (LSMAOE).
inline constexpr std::uint64_t kReset = bit(11) | bit(20) | bit(22) | bit(23) | bit(28) | bit(29);

// Whether data accesses are big-endian in the state that SPSR_EL2 holds of EL1 or EL0 (Arm ARM, BigEndian()): AArch32 has its order in
// the state itself.
[[nodiscard]] constexpr bool is_big_endian(std::uint64_t sctlr, std::uint64_t spsr) {
  constexpr std::uint64_t kAarch32 = bit(4), kAarch32Order = bit(9), kExceptionLevel = bit(2) | bit(3);
  if ((spsr & kAarch32) != 0) return (spsr & kAarch32Order) != 0;
  return (sctlr & ((spsr & kExceptionLevel) == 0 ? kE0e : kEe)) != 0;
}
}  // namespace sctlr_el1

namespace sctlr_el2 {
inline constexpr std::uint64_t kM = bit(0);
inline constexpr std::uint64_t kA = bit(1);  // off: memcpy and friends use unaligned accesses
inline constexpr std::uint64_t kC = bit(2);
inline constexpr std::uint64_t kSa = bit(3);
inline constexpr std::uint64_t kI = bit(12);
inline constexpr std::uint64_t kEnDb = bit(13);
inline constexpr std::uint64_t kWxn = bit(19);  // what is writable never executes
inline constexpr std::uint64_t kEnDa = bit(27);
inline constexpr std::uint64_t kEnIb = bit(30);
inline constexpr std::uint64_t kEnIa = bit(31);
inline constexpr std::uint64_t kBt = bit(36);   // BTI also for PACIxSP targets
inline constexpr std::uint64_t kRes1 = bit(4) | bit(5) | bit(11) | bit(16) | bit(18) | bit(22) | bit(23) | bit(28) | bit(29);
[[nodiscard]] constexpr std::uint64_t make_monitor_value() {
  return kRes1 | kM | kC | kSa | kI | kWxn | kEnIa | kBt;
}
}  // namespace sctlr_el2

}  // namespace hal::registers
