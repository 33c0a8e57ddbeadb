// Who runs when: fibers of one thread in an order that the seed gives, or one thread a core.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "hal/alarm.hpp"
#include "hal/host/machine.hpp"
#include "hal/interrupts.hpp"
#include "hal/registers/gicv3.hpp"

namespace host {
namespace {

thread_local Core* running_core = nullptr;

constexpr std::uint64_t kMostIdleTurns = 1'000'000;   // of one spinning core with nobody else to run
constexpr std::uint64_t kMostTurns = 50'000'000;      // of one settle()
constexpr int kMostUnwinds = 1000;

// Makes `core` the running one for a scope.
class RunningAs {
 public:
  explicit RunningAs(Core* core) : previous_(std::exchange(running_core, core)) {}
  ~RunningAs() { running_core = previous_; }
  RunningAs(const RunningAs&) = delete;
  RunningAs& operator=(const RunningAs&) = delete;

 private:
  Core* previous_;
};

template <typename T>
class Restore {
 public:
  Restore(T& variable, T value) : variable_(variable), previous_(std::exchange(variable, value)) {}
  ~Restore() { variable_ = previous_; }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

 private:
  T& variable_;
  T previous_;
};

}  // namespace

Core& Machine::this_core() {
  if (running_core == nullptr) throw std::logic_error("hal is used outside of any core");
  return *running_core;
}

void Machine::run_core(Core& core, const std::function<void()>& body) {
  try {
    if (!stopping()) body();
  } catch (const MachineStopped&) {
  } catch (const LeaveGuest&) {
    fail("a guest program ran outside run_guest()");
  } catch (const std::exception& error) {
    fail("core " + std::to_string(core.id.value) + ": " + error.what());
    power(PowerState::kEnded);
  } catch (const GuestException&) {
    fail("core " + std::to_string(core.id.value) + ": an exception of a guest got out");
    power(PowerState::kEnded);
  }
}

void Machine::launch(Core& core, std::function<void()> body) {
  if (core.started.exchange(true)) {
    violation("power::start_core: the core was started already");
    return;
  }
  if (config_.schedule == Schedule::kThreads) {
    core.thread = std::thread([this, &core, body = std::move(body)] {
      const RunningAs as(&core);
      run_core(core, body);
    });
  } else {
    core.fiber = std::make_unique<Fiber>([this, &core, body = std::move(body)] { run_core(core, body); });
    news_ = true;
  }
}

void Machine::boot() {
  if (recorder_ != nullptr) recorder_->start(board_.name, board_.digest, handover_);
  for (std::size_t i = 0; i < board_.cores.size(); ++i) {
    if (board_.cores[i].boot) launch(*cores_[i], [] { hal::monitor_main(); });
  }
  if (config_.schedule == Schedule::kDeterministic) settle();
}

void Machine::start(base::CoreId core, std::function<void()> body) {
  launch(*cores_.at(core.value), std::move(body));
  if (config_.schedule == Schedule::kDeterministic) settle();
}

base::Status Machine::start_core(base::CoreId core) {
  if (faults_.strikes(FallibleStep::kStartCore)) return base::Error::kDeviceTimeout;
  launch(*cores_.at(core.value), [] { hal::monitor_core_main(); });
  return {};
}

// ---- deterministic ------------------------------------------------------------------------------------------------

bool Machine::runnable(const Core& core) const {
  if (core.fiber == nullptr || core.fiber->finished() || core.outside) return false;
  if (stopping()) return true;
  switch (core.waiting) {
    case Waiting::kNo: return true;
    case Waiting::kForEvent: return core.event;
    case Waiting::kInGuestIdle: return !core.pending.empty() || core.has_virtual_interrupt();
    // In a replay interrupts come as the record says.
    case Waiting::kDriven: return (!core.pending.empty() && replay_ == nullptr) || core.told_to_leave;
  }
  return false;
}

bool Machine::run_others() {
  news_ = false;
  bool any = false;
  const std::size_t first = random() % cores_.size();
  for (std::size_t i = 0; i < cores_.size(); ++i) {
    Core& core = *cores_[(first + i) % cores_.size()];
    if (!runnable(core)) continue;
    any = true;
    const RunningAs as(&core);
    const Restore on_fiber(on_fiber_, true);
    core.waiting = Waiting::kNo;
    core.fiber->resume();
  }
  return any;
}

void Machine::settle() {
  for (std::uint64_t turns = 0; run_others(); ++turns) {
    if (turns == kMostTurns) throw Deadlock("the cores never come to rest");
  }
}

void Machine::switch_out(Waiting reason) {
  Core& core = this_core();
  core.waiting = reason;
  core.fiber->suspend();
  if (stopping()) throw MachineStopped{};
}

GuestCpu Machine::cpu(base::CoreId core) {
  if (!driven(core)) throw std::logic_error("this core is not in a guest that a test can drive");
  return GuestCpu(*this, *cores_[core.value]);
}

bool Machine::driven(base::CoreId core) const {
  const Core& found = *cores_.at(core.value);
  return config_.schedule == Schedule::kDeterministic && found.in_guest && found.waiting == Waiting::kDriven &&
         !found.told_to_leave && !stopping();
}

hal::AfterTrap Machine::deliver(Core& core, hal::TrapKind kind) {
  const auto handle = [&] {
    ++traps_;
    if (recorder_ != nullptr) recorder_->trap(core.id, kind, core.guest.frame);
    const hal::AfterTrap after = hal::handle_trap(kind, core.guest.frame);
    if (recorder_ != nullptr) recorder_->reply(core.id, after, core.guest.frame);
    check(core.open_windows == 0, "a trap ended with a window open");
    check(std::ranges::none_of(core.shown_frames, [](const auto& frame) { return frame.has_value(); }),
          "a trap ended with a frame shown");
    check(!core.floating_point_scope, "a trap ended inside a FloatingPointScope");
    return after;
  };
  if (config_.schedule == Schedule::kThreads || on_fiber_) return handle();
  // A driven core: the trap runs on the test's stack.
  if (stopping()) throw MachineStopped{};
  hal::AfterTrap after{};
  {
    const RunningAs as(&core);
    const Restore outside(core.outside, true);
    after = handle();
  }
  if (after == hal::AfterTrap::kLeave) core.told_to_leave = true;
  if (after == hal::AfterTrap::kLeave || news_) settle();
  return after;
}

// ---- both ------------------------------------------------------------------------------------------------------------

void Machine::run_guest(Core& core, const hal::GuestEntry& entry) {
  check(!core.in_guest, "run_guest: the core runs a guest already");
  check(root_of(entry.partition).has_value(), "run_guest: the partition has no address space");
  core.guest = GuestState{.entry = entry};
  core.guest.frame.x[0] = entry.argument;
  core.guest.frame.pc = entry.entry;
  core.guest.frame.pstate = 0x3C5;  // EL1h, interrupts masked
  core.in_guest = true;
  emit({.kind = EventKind::kEnterGuest, .core = core.id, .partition = entry.partition});
  const GuestProgram* program = program_of(core);
  GuestCpu cpu(*this, core);
  try {
    if (program != nullptr) {
      try {
        (*program)(cpu);
      } catch (const GuestException&) {  // it loops in its own vector, as a guest without a handler does
      }
    }
    if (program != nullptr || config_.schedule == Schedule::kThreads) {
      for (;;) cpu.wait_for_interrupt();
    }
    for (;;) {  // driven from outside
      if (core.interrupt_pending.load() && replay_ == nullptr) {
        if (deliver(core, hal::TrapKind::kInterrupt) == hal::AfterTrap::kLeave) break;
        continue;
      }
      switch_out(Waiting::kDriven);
      if (std::exchange(core.told_to_leave, false)) break;
    }
  } catch (const LeaveGuest&) {
  }
  core.in_guest = false;
  if (!sabotage_.keep_guest_registers) core.guest = GuestState{};
  core.tlb.drop(entry.partition);
  {
    const std::lock_guard lock(wake_mutex_);
    core.list_registers.fill(0);
    core.no_pending_watched = false;
  }
  emit({.kind = EventKind::kLeaveGuest, .core = core.id, .partition = entry.partition});
}

void Machine::power(PowerState state) {
  PowerState on = PowerState::kOn;
  power_.compare_exchange_strong(on, state);
  const std::lock_guard lock(wake_mutex_);
  wake_.notify_all();
}

void Machine::yield() {
  if (stopping()) throw MachineStopped{};
  if (config_.schedule == Schedule::kThreads) {
    std::this_thread::yield();
    return;
  }
  if (on_fiber_) {
    switch_out(Waiting::kNo);
    return;
  }
  if (run_others()) {
    idle_turns_ = 0;
  } else if (++idle_turns_ == kMostIdleTurns) {
    idle_turns_ = 0;
    throw Deadlock("a core spins for something that no core will do");
  }
  if (stopping()) throw MachineStopped{};
}

void Machine::pause_guest() {
  if (config_.schedule == Schedule::kDeterministic && !on_fiber_) {
    settle();
  } else {
    yield();
  }
}

void Machine::maybe_preempt() {
  if (stopping()) throw MachineStopped{};
  if (on_fiber_ && config_.preempt_one_in != 0 && random() % config_.preempt_one_in == 0) switch_out(Waiting::kNo);
}

void Machine::wait_for_event() {
  Core& core = this_core();
  if (config_.schedule == Schedule::kThreads) {
    std::unique_lock lock(wake_mutex_);
    wake_.wait(lock, [&] { return stopping() || core.event; });
    core.event = false;
  } else if (on_fiber_) {
    if (!core.event) switch_out(Waiting::kForEvent);
    core.event = false;
  } else {
    while (!core.event && !stopping()) {
      if (!run_others()) throw Deadlock("a core waits for an event that no core will send");
    }
    core.event = false;
  }
  if (stopping()) throw MachineStopped{};
}

void Machine::wait_in_guest(Core& core) {
  if (config_.schedule == Schedule::kThreads) {
    std::unique_lock lock(wake_mutex_);
    wake_.wait(lock, [&] { return stopping() || core.has_virtual_interrupt() || !core.pending.empty(); });
  } else if (on_fiber_) {
    if (!core.has_virtual_interrupt() && core.pending.empty()) switch_out(Waiting::kInGuestIdle);
  } else {
    settle();
  }
  if (stopping()) throw MachineStopped{};
}

void Machine::signal_cores() {
  const std::lock_guard lock(wake_mutex_);
  for (const auto& core : cores_) core->event = true;
  news_ = true;
  wake_.notify_all();
}

bool Machine::wait_until_off(unsigned seconds) {
  if (config_.schedule == Schedule::kDeterministic) {
    settle();
    return stopping();
  }
  std::unique_lock lock(wake_mutex_);
  return wake_.wait_for(lock, std::chrono::seconds(seconds), [&] { return stopping(); });
}

void Machine::shutdown() {
  power(PowerState::kEnded);
  for (bool again = true; again;) {  // a core may have started another one meanwhile
    again = false;
    for (const auto& core : cores_) {
      if (core->thread.joinable()) {
        core->thread.join();
        again = true;
      }
    }
  }
  for (const auto& core : cores_) {
    for (int turns = 0; core->fiber != nullptr && !core->fiber->finished(); ++turns) {
      if (turns == kMostUnwinds) std::abort();  // a guest program swallows what must unwind it
      const RunningAs as(core.get());
      const Restore on_fiber(on_fiber_, true);
      core->fiber->resume();
    }
  }
}

// ---- interrupts --------------------------------------------------------------------------------------------------------

void Machine::make_pending(base::CoreId core, base::Intid intid) {
  const std::lock_guard lock(wake_mutex_);
  add_pending(core, intid);
}

// The wake mutex is held.
void Machine::add_pending(base::CoreId core, base::Intid intid) {
  Core& target = *cores_.at(core.value);
  target.pending.insert(intid);
  target.interrupt_pending = true;
  target.event = true;  // an interrupt wakes a core that waits, once, taken or not
  news_ = true;
  wake_.notify_all();
}

void Machine::move_pending(base::Intid intid, base::CoreId to) {
  const std::lock_guard lock(wake_mutex_);
  std::size_t moved = 0;
  for (const auto& core : cores_) {
    moved += core->pending.erase(intid);
    core->interrupt_pending = !core->pending.empty();
  }
  if (moved != 0) add_pending(to, intid);
}

void Machine::drop_pending(base::Intid intid) {
  const std::lock_guard lock(wake_mutex_);
  for (const auto& core : cores_) {
    core->pending.erase(intid);
    core->interrupt_pending = !core->pending.empty();
  }
}

// Where it is routed to, if it is enabled; it is lost otherwise.
void Machine::signal(base::Intid intid) {
  std::optional<base::CoreId> target;
  {
    const std::lock_guard lock(wake_mutex_);
    if (const auto route = routes_.find(intid); route != routes_.end() && enabled_.contains(intid)) {
      target = route->second;
    }
  }
  if (target) make_pending(*target, intid);
}

void Machine::raise_interrupt(base::Intid intid) {
  signal(intid);
  if (config_.schedule == Schedule::kDeterministic && !on_fiber_) settle();
}

void Machine::set_alarm(Core& core, std::optional<std::uint64_t> tick) {
  {
    const std::lock_guard lock(wake_mutex_);
    core.alarm = tick;
    core.pending.erase(hal::kAlarm);  // the line follows the timer
    core.interrupt_pending = !core.pending.empty();
  }
  ring_if_due(core);
}

void Machine::ring_if_due(const Core& core) {
  const bool due = [&] {
    const std::lock_guard lock(wake_mutex_);
    return core.alarm && *core.alarm <= ticks_;
  }();
  if (due) make_pending(core.id, hal::kAlarm);
}

void Machine::pass_ticks(std::uint64_t count) {
  ticks_ += count;
  for (const auto& core : cores_) ring_if_due(*core);
  if (config_.schedule == Schedule::kDeterministic && !on_fiber_) settle();
}

// Where an SPI goes, and whether it does: both are needed, in any order.
void Machine::route(base::Intid intid, base::CoreId core) {
  const std::lock_guard lock(wake_mutex_);
  routes_[intid] = core;
}

void Machine::enable(base::Intid intid, base::CoreId core) {
  const std::lock_guard lock(wake_mutex_);
  enabled_.insert(intid);
  routes_.try_emplace(intid, core);
}

void Machine::disable(base::Intid intid) {
  const std::lock_guard lock(wake_mutex_);
  enabled_.erase(intid);
}

base::Intid Machine::acknowledge(Core& core) {
  // A parked core looks for interrupts as well: a record is of traps.
  if (replay_ != nullptr && core.in_guest) {
    const base::Intid recorded{static_cast<std::uint32_t>(replay_->take("irq").at(0))};
    const std::lock_guard lock(wake_mutex_);
    core.pending.erase(recorded);
    core.interrupt_pending = !core.pending.empty();
    return recorded;
  }
  base::Intid intid = hal::interrupts::kSpurious;
  {
    const std::lock_guard lock(wake_mutex_);
    if (!core.pending.empty()) {
      intid = *core.pending.begin();
      core.pending.erase(core.pending.begin());
      core.interrupt_pending = !core.pending.empty();
    }
  }
  if (recorder_ != nullptr && core.in_guest) recorder_->interrupt(intid);
  return intid;
}

void Machine::read_list_registers(const Core& core, std::span<std::uint64_t> values) {
  const std::lock_guard lock(wake_mutex_);
  std::copy_n(core.list_registers.begin(), values.size(), values.begin());
}

void Machine::write_list_registers(Core& core, std::span<const std::uint64_t> values) {
  const std::lock_guard lock(wake_mutex_);
  std::copy(values.begin(), values.end(), core.list_registers.begin());
}

// As a guest does that has everything enabled: the pending one of the highest priority, acknowledged and ended.
std::optional<base::Intid> Machine::take_virtual(Core& core) {
  namespace format = hal::registers::gicv3::list_register;
  std::optional<base::Intid> taken;
  bool dry = false;
  {
    const std::lock_guard lock(wake_mutex_);
    std::uint64_t* chosen = nullptr;
    for (std::uint64_t& value : core.list_registers) {
      if (format::State::get(value) != format::kPending) continue;
      if (chosen == nullptr || format::Priority::get(value) < format::Priority::get(*chosen)) chosen = &value;
    }
    if (chosen == nullptr) return std::nullopt;
    taken = format::intid_of(*chosen);
    *chosen = 0;
    dry = core.no_pending_watched && std::none_of(core.list_registers.begin(), core.list_registers.end(), [](auto value) {
            return format::State::get(value) == format::kPending;
          });
  }
  if (dry) make_pending(core.id, hal::interrupts::kMaintenance);
  return taken;
}

}  // namespace host
