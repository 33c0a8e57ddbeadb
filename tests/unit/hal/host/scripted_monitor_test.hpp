// A monitor of a few lines in place of the real one, so that the machine is tested alone.
#pragma once

#include <functional>
#include <stdexcept>

#include "hal/cpu.hpp"
#include "hal/host/machine.hpp"
#include "hal/upcalls.hpp"

namespace scripted {

inline std::function<void()> monitor_main;
inline std::function<void()> core_main;
inline std::function<hal::AfterTrap(hal::TrapKind, hal::TrapFrame&)> handle_trap;

inline void park() {
  for (;;) hal::wait_for_event();
}

}  // namespace scripted
