#include "firmware/monitor/alarms.hpp"

#include <array>
#include <cstddef>
#include <utility>

#include "board_tables.hpp"
#include "hal/alarm.hpp"
#include "hal/cpu.hpp"

namespace monitor {

namespace {

constexpr auto kDeadlines = static_cast<std::size_t>(Deadline::kDmaFaults) + 1;

struct Entry {
  std::uint64_t tick;
  DeadlineHandler handler;  // null: not set
};
using Entries = std::array<Entry, kDeadlines>;
constinit std::array<Entries, board::kMaxCores> g_deadlines{};

[[nodiscard]] Entries& of_this_core() { return g_deadlines[hal::current_core().value]; }

void set_alarm_for(const Entries& entries) {
  const Entry* first = nullptr;
  for (const Entry& entry : entries) {
    if (entry.handler != nullptr && (first == nullptr || entry.tick < first->tick)) first = &entry;
  }
  if (first != nullptr) {
    hal::set_alarm(first->tick);
  } else {
    hal::clear_alarm();
  }
}

}  // namespace

void set_deadline(Deadline which, std::uint64_t tick, DeadlineHandler handler) {
  Entries& entries = of_this_core();
  entries[static_cast<std::size_t>(which)] = {tick, handler};
  set_alarm_for(entries);
}

void set_deadline_at_latest(Deadline which, std::uint64_t tick, DeadlineHandler handler) {
  const Entry& entry = of_this_core()[static_cast<std::size_t>(which)];
  if (entry.handler == nullptr || entry.tick > tick) set_deadline(which, tick, handler);
}

void clear_deadline(Deadline which) { set_deadline(which, 0, nullptr); }

void handle_alarm() {
  Entries& entries = of_this_core();
  const std::uint64_t now = hal::ticks();
  std::array<DeadlineHandler, kDeadlines> due{};
  for (std::size_t i = 0; i < kDeadlines; ++i) {
    if (entries[i].handler != nullptr && entries[i].tick <= now) due[i] = std::exchange(entries[i].handler, nullptr);
  }
  set_alarm_for(entries);  // before they run: each may set its own again
  for (const DeadlineHandler handler : due) {
    if (handler != nullptr) handler();
  }
}

}  // namespace monitor
