// How often each core came to the monitor, and why. A core writes its own entry only; another one may read it.
#pragma once

#include <array>

#include "board_tables.hpp"
#include "firmware/hypercall/abi.hpp"
#include "hal/cpu.hpp"

namespace monitor {

extern std::array<cofferdam_abi::TrapCounters, board::kMaxCores> g_trap_counters;

inline void count_trap(cofferdam_abi::TrapCause cause) {
  ++g_trap_counters[hal::current_core().value].count[static_cast<std::uint32_t>(cause)];
}

}  // namespace monitor
