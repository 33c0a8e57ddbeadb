#include "firmware/monitor/later.hpp"

#include <atomic>

#include "firmware/monitor/alarms.hpp"
#include "firmware/monitor/command_device.hpp"
#include "firmware/monitor/vsock_ports.hpp"
#include "hal/cpu.hpp"

namespace monitor {

namespace {

// Sequentially consistent, both: who leaves work and sees nobody parked, and who stops being parked and sees no work, can't
// both be right; so the work is somebody's at every moment.
constinit std::atomic<std::uint32_t> g_left{0};
constinit std::atomic<std::uint32_t> g_parked{0};

[[nodiscard]] bool take(Later what) {
  const auto bit = static_cast<std::uint32_t>(what);
  return (g_left.load() & bit) != 0 && (g_left.fetch_and(~bit) & bit) != 0;
}

// A guest whose core does the work itself runs for as long as this in between. So long, too, a command that waits for
// other cores leaves them the state lock before it asks again.
constexpr std::uint64_t kGuestsShare = 50;  // microseconds

[[nodiscard]] std::uint64_t tick_in(std::uint64_t microseconds) {
  return hal::ticks() + microseconds * (hal::ticks_per_second() / 1'000'000);
}

// Never later than was said before: a guest that makes new work all the time must not put off the old.
void come_back() {
  set_deadline_at_latest(Deadline::kWork, tick_in(kGuestsShare), [] { static_cast<void>(do_what_was_left()); });
}

void wake_somebody() {
  if (g_parked.load() != 0) {
    hal::signal_cores();
  } else {
    come_back();
  }
}

}  // namespace

void leave_for_later(Later what) {
  g_left.fetch_or(static_cast<std::uint32_t>(what));
  wake_somebody();
}

void look_again_at_packets_in(std::uint64_t microseconds) {
  set_deadline_at_latest(Deadline::kPackets, tick_in(microseconds), [] { leave_for_later(Later::kVsock); });
}

bool do_what_was_left() {
  const bool command = take(Later::kCommand);
  if (command) {
    switch (go_on_with_command()) {
      case CommandLeft::kNothing: break;
      case CommandLeft::kMore: leave_for_later(Later::kCommand); break;
      case CommandLeft::kWaits:
        set_deadline_at_latest(Deadline::kCommand, tick_in(kGuestsShare), [] { leave_for_later(Later::kCommand); });
        break;
    }
  }
  const bool vsock = take(Later::kVsock);
  if (vsock && move_packets()) leave_for_later(Later::kVsock);
  return command || vsock;
}

void begin_parking() { g_parked.fetch_add(1); }

void end_parking() {
  g_parked.fetch_sub(1);
  if (g_left.load() != 0) come_back();
}

}  // namespace monitor
