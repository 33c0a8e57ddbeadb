#include "firmware/monitor/parent_watchdog.hpp"

#include "firmware/board/budget.hpp"
#include "firmware/emulation/generic_watchdog.hpp"
#include "firmware/monitor/alarms.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/power.hpp"
#include "firmware/monitor/virtual_interrupts.hpp"
#include "hal/cpu.hpp"

namespace monitor {

namespace {

using emulation::GenericWatchdog;

// Both guarded by the state lock. The deadline is on the core that wrote last: it comes as well when that core is
// parked, or is an enclave's. One that another core still has comes for nothing, once.
constinit GenericWatchdog g_watchdog{};
constinit base::CoreId g_watching_core{};

void watch_parent();

void set_deadline_here(base::CoreId here) {
  g_watching_core = here;
  if (const auto tick = g_watchdog.deadline()) {
    set_deadline(Deadline::kParentWatchdog, *tick, watch_parent);
  } else {
    clear_deadline(Deadline::kParentWatchdog);
  }
}

// Whether the interrupt is to be raised.
[[nodiscard]] bool take_step(base::CoreId here) {
  const Locked locked{g_state_lock};
  if (here != g_watching_core) return false;
  const GenericWatchdog::Step step = g_watchdog.expire(hal::ticks());
  set_deadline_here(here);
  switch (step) {
    case GenericWatchdog::Step::kNone: return false;
    case GenericWatchdog::Step::kInterrupt: return true;
    case GenericWatchdog::Step::kReset: end_machine_of_hung_parent(); return false;
  }
  return false;
}

// The deadline came to this core, whatever it runs.
void watch_parent() {
  if (take_step(hal::current_core())) raise_message(base::kParent, base::Intid{board::kWatchdogSpi});
}

}  // namespace

AccessResult access_watchdog(board::View frame, const RegisterAccess& access, std::uint64_t offset) {
  using Frame = GenericWatchdog::Frame;
  const Frame which = frame == board::View::kWatchdogRefresh ? Frame::kRefresh : Frame::kControl;
  const Locked locked{g_state_lock};
  if (!access.write) {
    const auto value = g_watchdog.read(which, offset, access.size);
    return value ? AccessResult{true, *value} : AccessResult{};
  }
  const auto value = static_cast<std::uint32_t>(access.value);
  if (!g_watchdog.write(which, offset, access.size, value, hal::ticks()).ok()) return {};
  set_deadline_here(hal::current_core());
  return {true, 0};
}

void stop_watching_parent() {
  const Locked locked{g_state_lock};
  g_watchdog = {};
}

}  // namespace monitor
