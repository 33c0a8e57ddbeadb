// The functions by which a machine calls the monitor: the one declared seam upward.
#pragma once

#include "hal/vcpu.hpp"
#include "firmware/base/ids.hpp"

namespace hal {

// Boot core, once: own tables on, stack guarded, every DMA master aborted. `handover` is what the ROM left
// (firmware/measure/handover.hpp), already copied into monitor memory and wiped where it lay.
[[noreturn]] void monitor_main();
// Every other core, once, after the monitor started it.
[[noreturn]] void monitor_core_main();
// A guest on this core trapped. `frame` is in monitor memory.
[[nodiscard]] AfterTrap handle_trap(TrapKind kind, TrapFrame& frame);
// An exception in the monitor itself. Never returns.
[[noreturn]] void handle_own_exception(std::uint64_t esr, std::uint64_t elr, std::uint64_t far);

}  // namespace hal
