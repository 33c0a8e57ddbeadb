#include "firmware/monitor/cores.hpp"

#include "firmware/hypercall/plan.hpp"
#include "firmware/monitor/apply_effects.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/handle_interrupt.hpp"
#include "firmware/monitor/later.hpp"
#include "firmware/monitor/after_commit.hpp"
#include "firmware/monitor/log.hpp"
#include "firmware/monitor/panic.hpp"
#include "firmware/monitor/power.hpp"
#include "firmware/monitor/trap_counters.hpp"
#include "firmware/monitor/virtual_interrupts.hpp"
#include "hal/cpu.hpp"
#include "hal/upcalls.hpp"

namespace monitor {

namespace {

// The guest to run, or nothing when it was told to stop before it began.
[[nodiscard]] bool take_guest(CoreMailbox& mailbox, hal::GuestEntry& guest) {
  const Locked locked{g_state_lock};
  guest = mailbox.guest;
  mailbox.start.store(false, std::memory_order_relaxed);
  return !mailbox.stop.load(std::memory_order_acquire);
}

void core_left(base::CoreId core) {
  const Locked locked{g_state_lock};
  const hypercall::Transition transition = hypercall::plan_core_left(g_state, core);
  if (!apply(transition.effects).ok()) panic("a core could not be taken back");
  // What an enclave's core did is not for the parent, who may get the core next.
  if (base::is_enclave(g_state.cores.at(core).owner)) g_trap_counters[core.value] = {};
  hypercall::commit(g_state, transition);
  after_commit(transition);
  g_mailboxes[core.value].stop.store(false, std::memory_order_release);
}

}  // namespace

void core_loop() {
  const base::CoreId core = hal::current_core();
  CoreMailbox& mailbox = g_mailboxes[core.value];
  for (;;) {
    begin_parking();
    while (!mailbox.start.load(std::memory_order_acquire)) {
      handle_interrupts_while_parked();  // the watchdog's may ask for what comes next
      end_machine_if_asked();
      if (!do_what_was_left()) hal::wait_for_event();
    }
    end_parking();
    hal::GuestEntry guest;
    if (take_guest(mailbox, guest)) {
      enter_interrupts(core, guest.partition);  // what waits for this core kicks it as soon as it runs
      mailbox.in_guest = true;
      hal::run_guest(guest);
      mailbox.in_guest = false;
    }
    core_left(core);
  }
}

}  // namespace monitor

namespace hal {

void monitor_core_main() { monitor::core_loop(); }

}  // namespace hal
