#include "firmware/monitor/later.hpp"

#include <array>
#include <atomic>
#include <utility>

#include "firmware/monitor/alarms.hpp"
#include "firmware/monitor/command_device.hpp"
#include "firmware/monitor/vsock_ports.hpp"
#include "hal/cpu.hpp"
#include "hal/interrupts.hpp"

namespace monitor {

namespace {

// Sequentially consistent, all: who leaves work and sees nobody parked, and who stops being parked and sees no work, can't
// both be right; so the work is somebody's at every moment.
constinit std::atomic<std::uint32_t> g_left{0};
constinit std::atomic<std::uint32_t> g_parked{0};
constexpr std::array kKinds{Later::kCommand, Later::kVsock};
// The core that each kind was left to; written before the kind's bit of g_left is set.
constinit std::array<std::atomic<std::uint8_t>, kKinds.size()> g_whose{};

[[nodiscard]] std::uint32_t bit_of(Later what) { return 1U << std::to_underlying(what); }
[[nodiscard]] std::atomic<std::uint8_t>& whose(Later what) { return g_whose[std::to_underlying(what)]; }
[[nodiscard]] bool is_left(Later what) { return (g_left.load() & bit_of(what)) != 0; }
[[nodiscard]] bool take(Later what) { return is_left(what) && (g_left.fetch_and(~bit_of(what)) & bit_of(what)) != 0; }

// A guest whose core does the work itself runs for as long as this in between. So long, too, a command that waits for
// other cores leaves them the state lock before it asks again.
constexpr std::uint64_t kGuestsShare = 50;  // microseconds

// Nobody is parked, or who was goes.
void hand_over(Later what) {
  const base::CoreId core{whose(what).load()};
  if (core == hal::current_core()) {
    look_again_in(kGuestsShare, what);
  } else {
    hal::interrupts::kick(core);
  }
}

// `changed`: it was another core's before. One that was told already is not kicked once more for each trap of others.
void leave(Later what, bool changed) {
  const bool news = (g_left.fetch_or(bit_of(what)) & bit_of(what)) == 0 || changed;
  if (g_parked.load() != 0) {
    hal::signal_cores();
  } else if (news) {
    hand_over(what);
  }
}

bool do_piece(Later what) {
  if (!take(what)) return false;
  if (what == Later::kVsock) {
    if (const auto carrier = move_packets()) leave_for_later(what, *carrier);
    return true;
  }
  switch (go_on_with_command()) {
    case CommandLeft::kNothing: break;
    case CommandLeft::kMore: leave(what, false); break;
    case CommandLeft::kWaits: look_again_in(kGuestsShare, what); break;
  }
  return true;
}

void come_for(Later what) {
  g_left.fetch_or(bit_of(what));
  if (g_parked.load() != 0) {
    hal::signal_cores();
  } else if (what == Later::kCommand && whose(what).load() != hal::current_core().value) {
    hand_over(what);  // this core was parked when it began to wait
  } else {
    static_cast<void>(do_piece(what));
  }
}

}  // namespace

void leave_for_later(Later what, base::CoreId core) {
  leave(what, whose(what).exchange(core.value) != core.value);
}

// Never later than was said before: a guest that makes new work all the time must not put off the old.
void look_again_in(std::uint64_t microseconds, Later what) {
  const std::uint64_t tick = hal::ticks() + microseconds * (hal::ticks_per_second() / 1'000'000);
  if (what == Later::kVsock) {
    set_deadline_at_latest(Deadline::kPackets, tick, [] { come_for(Later::kVsock); });
  } else {
    set_deadline_at_latest(Deadline::kCommand, tick, [] { come_for(Later::kCommand); });
  }
}

bool do_what_was_left() {
  const bool command = do_piece(Later::kCommand);
  return do_piece(Later::kVsock) || command;
}

void take_up_what_was_left() {
  for (const Later what : kKinds) {
    if (is_left(what) && whose(what).load() == hal::current_core().value) look_again_in(kGuestsShare, what);
  }
}

void begin_parking() { g_parked.fetch_add(1); }

void end_parking() {
  g_parked.fetch_sub(1);
  for (const Later what : kKinds) {
    if (is_left(what)) hand_over(what);
  }
}

}  // namespace monitor
