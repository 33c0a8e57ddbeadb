#include "firmware/monitor/power.hpp"

#include "firmware/hypercall/plan.hpp"
#include "firmware/monitor/apply_effects.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/log.hpp"
#include "firmware/monitor/panic.hpp"
#include "firmware/monitor/parent_watchdog.hpp"
#include "hal/cpu.hpp"
#include "hal/device_isolation.hpp"
#include "hal/memory.hpp"
#include "hal/power.hpp"

namespace monitor {

namespace {

enum class Ending : std::uint8_t { kNone, kOff, kReset, kExpired };
constinit std::atomic<Ending> g_ending{Ending::kNone};
constinit std::atomic<bool> g_ends{false};  // and for good

// Precondition: the state lock is held.
void stop_all() {
  if (!apply(hypercall::plan_silence_parent(g_state).effects).ok()) panic("the parent could not be stopped");
  for (std::uint8_t i = 0; i < g_state.slots.size(); ++i) {
    const hypercall::Transition transition = hypercall::plan_terminate(g_state, base::SlotIndex{i});
    if (!apply(transition.effects).ok()) panic("an enclave could not be stopped");
    hypercall::commit(g_state, transition);
  }
}

// A core that works on an enclave's memory outside the lock is active as well, parked or not: its slot is busy. This core
// runs nothing, even if it was told to.
[[nodiscard]] bool any_other_core_active() {
  const base::CoreId here = hal::current_core();
  const Locked locked{g_state_lock};
  for (std::uint8_t i = 0; i < g_state.cores.count; ++i) {
    if (base::CoreId{i} != here && g_state.cores.entries[i].state != partition::CoreState::kOff) return true;
  }
  for (const enclave::Slot& slot : g_state.slots) {
    if (slot.busy || slot.nsm_busy) return true;
  }
  return false;
}

}  // namespace

namespace {

// What a device still writes must not land in what was scrubbed.
void stop_devices_of_enclaves() {
  const Locked locked{g_state_lock};
  for (std::uint8_t i = 0; i < g_state.devices.count; ++i) {
    if (!base::is_enclave(g_state.devices.owner[i]) || !hal::device_isolation::present()) continue;
    if (!hal::device_isolation::detach(board::kBoard.devices[i].stream).ok()) panic("a device could not be stopped");
  }
}

[[nodiscard]] std::string_view reason_of(Ending ending) {
  switch (ending) {
    case Ending::kNone: break;
    case Ending::kOff: return "the parent switched the machine off";
    case Ending::kReset: return "the parent asked for a reset";
    case Ending::kExpired: return "the parent's watchdog expired";
  }
  return {};
}

}  // namespace

bool machine_ends() { return g_ends.load(std::memory_order_acquire); }

void ask_to_end_machine(partition::WorkKind kind) {
  g_ends.store(true, std::memory_order_release);
  g_ending.store(kind == partition::WorkKind::kPowerReset ? Ending::kReset : Ending::kOff, std::memory_order_release);
}

void end_machine_of_hung_parent() {
  Ending none = Ending::kNone;
  if (!g_ending.compare_exchange_strong(none, Ending::kExpired)) return;  // it has asked for an end itself
  g_ends.store(true, std::memory_order_release);
  stop_all();  // nobody asked here whose core would leave by itself; the first one that is out ends the machine
}

void end_machine_if_asked() {
  Ending ending = g_ending.load(std::memory_order_acquire);
  if (ending == Ending::kNone) return;
  stop_watching_parent();  // before the request is taken: from here on no second one can come of the watchdog
  // One core does it; another one that comes here stays parked.
  if (!g_ending.compare_exchange_strong(ending, Ending::kNone)) return;
  // Memory outlives a reset. When no core runs a guest, nobody can put a secret into what is scrubbed now. A call that
  // waited for the lock meanwhile may have started a core once more: so stop again until all is quiet. At least once: an
  // enclave that is being loaded has no core yet.
  do {
    {
      const Locked locked{g_state_lock};
      stop_all();
    }
    hal::relax();
  } while (any_other_core_active());
  stop_devices_of_enclaves();
  for (const enclave::Slot& slot : g_state.slots) {
    for (const enclave::Region& region : slot.regions) hal::scrub_frames(region.frames);
    if (!slot.scrubbing.empty()) hal::scrub_frames(slot.scrubbing);
  }
  log(LogLine{}.text(reason_of(ending)).text("; enclaves are gone and scrubbed"));
  if (ending == Ending::kOff) hal::power::system_off();
  hal::power::system_reset();
}

}  // namespace monitor
