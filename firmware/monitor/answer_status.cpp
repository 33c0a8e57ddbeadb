#include "firmware/monitor/answer_status.hpp"

#include "firmware/hypercall/status.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/identity.hpp"
#include "firmware/monitor/trap_counters.hpp"
#include "hal/clock.hpp"
#include "hal/cpu.hpp"
#include "hal/memory.hpp"

namespace monitor {

constinit std::array<cofferdam_abi::TrapCounters, board::kMaxCores> g_trap_counters{};

namespace {

constinit std::uint64_t g_started{};  // ticks

}  // namespace

void start_uptime() { g_started = hal::ticks(); }

std::uint64_t uptime_milliseconds() {
  const std::uint64_t ticks = hal::ticks() - g_started;
  const std::uint64_t second = hal::ticks_per_second();
  return ticks / second * 1000 + ticks % second * 1000 / second;
}

void write_status_out(const hypercall::Call& call) {
  const hypercall::StatusFacts facts{.uptime_milliseconds = uptime_milliseconds(),
                                     .unix_milliseconds = hal::unix_milliseconds(),
                                     .security_version = security_version(),
                                     .development = is_development(),
                                     .traps = g_trap_counters};
  std::array<std::uint8_t, hypercall::kMaxStatusSize> buffer{};
  const base::Bytes entry = hypercall::write_status(g_state, facts, call.arguments[0], call.arguments[1], buffer);
  const std::uint64_t capacity = call.arguments[3];
  hal::write_bytes(base::PhysAddr{call.arguments[2]}, entry.first(capacity < entry.size() ? capacity : entry.size()));
}

}  // namespace monitor
