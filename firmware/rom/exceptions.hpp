// What the resident ROM does when a lower level enters EL3 (reset.S saved its registers). Compiled without SIMD.
#pragma once

#include <cstdint>

#include "firmware/rom/psci.hpp"

namespace rom {

struct LowerFrame {
  std::uint64_t x[31];
  std::uint64_t esr, elr, spsr, far;
  std::uint64_t unused;
};
static_assert(sizeof(LowerFrame) == 288, "FRAME_SIZE of reset.S");

// Once, before the monitor runs: where cores may be entered, and which cores there are.
void set_resident_facts(psci::EntryWindow window, std::uint32_t present);

}  // namespace rom

extern "C" {
void rom_lower_exception(rom::LowerFrame* frame);
[[noreturn]] void rom_fatal_exception(std::uint64_t vector, std::uint64_t esr, std::uint64_t elr, std::uint64_t far);
}
