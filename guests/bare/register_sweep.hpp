// Reads and writes every system-register encoding there is (op0 2 and 3), one instruction put together at a time.
//
// What traps or is undefined takes an exception, which the vectors of start.S record and step over. A guest that comes
// to the end has shown that no encoding ends it or the monitor.
#pragma once

#include <cstdint>

#include "guests/bare/probe.hpp"

namespace bare {

// Runs one instruction word with x0 = 0. True when it took an exception.
inline bool execute(std::uint32_t instruction) {
  constexpr std::uint32_t kReturn = 0xD65F'03C0;
  alignas(64) static std::uint32_t code[16];
  code[0] = instruction;
  code[1] = kReturn;
  asm volatile("dc cvau, %0; dsb ish; ic ivau, %0; dsb ish; isb" : : "r"(code) : "memory");
  const std::uint64_t before = exceptions().count;
  register std::uint64_t x0 asm("x0") = 0;
  asm volatile("blr %1" : "+r"(x0) : "r"(code) : "x30", "memory", "cc");
  return exceptions().count != before;
}

// Writing zero there would end or blind this very program: its MMU, vectors, stack and record. By
// op1 << 11 | CRn << 7 | CRm << 3 | op2, op0 = 3.
[[nodiscard]] inline bool keeps_us_alive(std::uint32_t encoding) {
  switch (encoding) {
    case 0x0080:                            // SCTLR_EL1
    case 0x0100: case 0x0102:               // TTBR0_EL1, TCR_EL1
    case 0x0510:                            // MAIR_EL1
    case 0x0600:                            // VBAR_EL1
    case 0x0684:                            // TPIDR_EL1
    case 0x0200: case 0x0201: case 0x0210:  // SPSR_EL1, ELR_EL1, SPSel
      return true;
    default: return false;
  }
}

struct Sweep {
  std::uint64_t reads, reads_refused, writes, writes_refused;
};

inline Sweep sweep_system_registers() {
  constexpr std::uint32_t kWrite = 0xD500'0000;  // MSR, x0
  constexpr std::uint32_t kRead = 0xD520'0000;   // MRS
  Sweep sweep{};
  for (std::uint32_t op0 = 2; op0 <= 3; ++op0) {
    for (std::uint32_t encoding = 0; encoding < 1U << 14; ++encoding) {
      const std::uint32_t fields = (op0 << 19) | (encoding << 5);
      ++sweep.reads;
      if (execute(kRead | fields)) ++sweep.reads_refused;
      if (op0 == 3 && keeps_us_alive(encoding)) continue;
      ++sweep.writes;
      if (execute(kWrite | fields)) ++sweep.writes_refused;
    }
  }
  return sweep;
}

}  // namespace bare
