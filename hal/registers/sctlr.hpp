// SCTLR_EL1 and SCTLR_EL2 (Arm ARM D19.2.142, D19.2.143): what a guest starts with, and how the monitor runs.
#pragma once

#include <cstdint>

#include "hal/registers/field.hpp"

namespace hal::registers {

namespace sctlr_el1 {
// MMU, caches, alignment checks off; RES1 of a core without newer features: bits 11 (EOS), 20, 22 (EIS), 23 (SPAN),
// 28 (nTLSMD), 29 (LSMAOE).
inline constexpr std::uint64_t kReset = bit(11) | bit(20) | bit(22) | bit(23) | bit(28) | bit(29);
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
