#include "firmware/monitor/power.hpp"

#include "firmware/hypercall/plan.hpp"
#include "firmware/monitor/apply_effects.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/log.hpp"
#include "firmware/monitor/panic.hpp"
#include "hal/cpu.hpp"
#include "hal/memory.hpp"
#include "hal/power.hpp"

namespace monitor {

namespace {

enum class Ending : std::uint8_t { kNone, kOff, kReset };
constinit std::atomic<Ending> g_ending{Ending::kNone};

void stop_all_enclaves() {
  const Locked locked{g_state_lock};
  for (std::uint8_t i = 0; i < g_state.slots.size(); ++i) {
    const hypercall::Transition transition = hypercall::plan_terminate(g_state, base::SlotIndex{i});
    if (!apply(transition.effects).ok()) panic("an enclave could not be stopped");
    hypercall::commit(g_state, transition);
  }
}

[[nodiscard]] bool any_enclave_active() {
  const Locked locked{g_state_lock};
  for (std::uint8_t i = 0; i < g_state.slots.size(); ++i) {
    if (g_state.cores.active(base::partition_of(base::SlotIndex{i})) != 0) return true;
    if (g_state.slots[i].busy) return true;
  }
  return false;
}

}  // namespace

void ask_to_end_machine(partition::WorkKind kind) {
  g_ending.store(kind == partition::WorkKind::kPowerReset ? Ending::kReset : Ending::kOff, std::memory_order_release);
}

void end_machine_if_asked() {
  Ending ending = g_ending.load(std::memory_order_acquire);
  if (ending == Ending::kNone) return;
  // One core does it; another one that comes here stays parked.
  if (!g_ending.compare_exchange_strong(ending, Ending::kNone)) return;
  stop_all_enclaves();
  while (any_enclave_active()) hal::relax();
  for (const enclave::Slot& slot : g_state.slots) {
    for (const enclave::Region& region : slot.regions) hal::scrub_frames(region.frames);
    if (!slot.scrubbing.empty()) hal::scrub_frames(slot.scrubbing);
  }
  log(LogLine{}.text(ending == Ending::kReset ? "the parent asked for a reset; enclaves are gone and scrubbed"
                                              : "the parent switched the machine off; enclaves are gone and scrubbed"));
  if (ending == Ending::kReset) hal::power::system_reset();
  hal::power::system_off();
}

}  // namespace monitor
