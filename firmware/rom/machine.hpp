// The ROM's reach into the machine: console, power, flash and memory as bytes, caches. EL3 only.
//
// Everything here runs with the ROM's translation tables on. What needs a register of the machine and is not here
// lies in interrupt_controller.cpp, lower_levels.cpp, exceptions.cpp or reset.S; no other file of the ROM does.
#pragma once

#include <cstdint>
#include <string_view>

#include "firmware/base/byte_reader.hpp"

namespace rom::machine {

void console_start();
void console_write_character(char character);  // what the UART does not take in a bounded time is dropped
void console_write(std::string_view text);
void console_write_hex(std::uint64_t value);

[[noreturn]] void power_off();
[[noreturn]] void restart();

// Flash as it is read now. The spans are constants of the layout.
[[nodiscard]] base::Bytes rom_code();
[[nodiscard]] base::Bytes identity_area();
[[nodiscard]] base::Bytes firmware_package();
// The machine's word for itself, as the board's hardware left it at reset: untouched until the monitor runs.
[[nodiscard]] base::Bytes machine_tree();
// The monitor's RAM. Precondition: the range lies between layout::kHandover and layout::kMonitorEnd.
[[nodiscard]] base::MutableBytes monitor_memory(std::uint64_t address, std::uint64_t size);

// To the point of coherency, so that EL2 sees it with its caches off; and no stale instruction stays.
void publish(base::Bytes memory);

}  // namespace rom::machine
