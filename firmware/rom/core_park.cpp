#include "firmware/rom/core_park.hpp"

#include <array>

#include "firmware/rom/descend.hpp"
#include "firmware/rom/interrupt_controller.hpp"
#include "firmware/rom/layout.hpp"
#include "firmware/rom/lower_levels.hpp"

namespace rom::core_park {
namespace {

constexpr std::uint32_t kHello = 0x4f4c4c48;
constexpr std::uint32_t kAdmitted = 0x54494d44;

struct alignas(64) Slot {
  std::uint32_t hello;
  std::uint32_t admitted;
  CoreState state;
  std::uint64_t entry;
  std::uint64_t context;
};
constinit std::array<Slot, layout::kMaxCores> slots{};

template <typename T>
T load(const T& word) {
  return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}
template <typename T>
void store(T& word, T value) {
  __atomic_store_n(&word, value, __ATOMIC_RELEASE);
}
bool change(CoreState& word, CoreState from, CoreState to) {
  return __atomic_compare_exchange_n(&word, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

std::uint64_t ticks() {
  std::uint64_t now = 0;
  asm volatile("isb; mrs %0, cntpct_el0" : "=r"(now));
  return now;
}
std::uint64_t ticks_per_second() {
  std::uint64_t frequency = 0;
  asm volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
  return frequency;
}

// Waits until a core that says hello has gone to sleep, at most `timeout` ticks.
bool admit(Slot& slot, std::uint64_t timeout) {
  const std::uint64_t begin = ticks();
  while (load(slot.state) == CoreState::kAbsent) {
    if (load(slot.hello) == kHello) store(slot.admitted, kAdmitted);
    if (ticks() - begin > timeout) return false;
    asm volatile("yield");
  }
  return true;
}

[[noreturn]] void wait_for_start(std::uint32_t core) {
  Slot& slot = slots[core];
  interrupt_controller::listen_for_wake();
  while (load(slot.state) != CoreState::kStarting) {
    asm volatile("dsb sy; wfi");
    interrupt_controller::acknowledge_wake();
  }
  interrupt_controller::stop_listening();
  const std::uint64_t entry = slot.entry;
  const std::uint64_t context = slot.context;
  store(slot.state, CoreState::kOn);
  configure_lower_levels();
  rom_enter_monitor(context, entry, core);
}

}  // namespace

void start(std::uint32_t boot_core, std::uint32_t present) {
  store(slots[boot_core].state, CoreState::kOn);
  for (std::uint32_t core = 0; core < layout::kMaxCores; ++core) {
    if ((present >> core & 1) == 0) continue;
    // A core that is slower than this is let in by the CPU_ON that wants it.
    static_cast<void>(admit(slots[core], ticks_per_second() / 50));
  }
}

StartResult start_core(std::uint32_t core, std::uint64_t entry, std::uint64_t context) {
  Slot& slot = slots[core];
  if (!admit(slot, ticks_per_second())) return StartResult::kNoAnswer;
  // Two callers, one core: the entry is written by the one that changed the word, before the core can read it.
  if (!change(slot.state, CoreState::kOff, CoreState::kClaimed)) {
    return load(slot.state) == CoreState::kOn ? StartResult::kAlreadyOn : StartResult::kPending;
  }
  slot.entry = entry;
  slot.context = context;
  store(slot.state, CoreState::kStarting);
  interrupt_controller::wake(core);
  return StartResult::kStarted;
}

CoreState state(std::uint32_t core) { return load(slots[core].state); }

}  // namespace rom::core_park

void rom_park_after_reset(std::uint32_t core) {
  using namespace rom::core_park;
  Slot& slot = slots[core];
  store(slot.admitted, std::uint32_t{0});
  while (load(slot.admitted) != kAdmitted) {
    store(slot.hello, kHello);
    asm volatile("yield");
  }
  rom::interrupt_controller::start_core(core);
  store(slot.state, CoreState::kOff);
  wait_for_start(core);
}

void rom_park_after_off(std::uint32_t core) {
  using namespace rom::core_park;
  store(slots[core].state, CoreState::kOff);
  wait_for_start(core);
}
