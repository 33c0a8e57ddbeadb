// The two ways out of EL3's compiled code (reset.S). Neither returns.
#pragma once

#include <cstdint>

extern "C" {
// Down to EL2h at `entry`, MMU off, x0 = argument, every other register zero.
[[noreturn]] void rom_enter_monitor(std::uint64_t argument, std::uint64_t entry, std::uint32_t core);
// Drops this core's stack and calls rom_park_after_off(core).
[[noreturn]] void rom_restart_park(std::uint32_t core);
}
