#include "firmware/monitor/log.hpp"

#include <algorithm>

#include "board_tables.hpp"
#include "firmware/monitor/locked.hpp"
#include "firmware/monitor/ticket_lock.hpp"
#include "hal/clock.hpp"
#include "hal/console.hpp"
#include "hal/cpu.hpp"

namespace monitor {

namespace {

constexpr std::size_t kPartitions = board::kMaxEnclaves + 2;
constexpr std::size_t kGuestLine = 120;

struct Budget {
  std::uint32_t used{};
  std::uint64_t last_refill{};  // ticks
  std::uint64_t dropped{};
};
struct GuestLine {
  std::array<char, kGuestLine> text{};
  std::size_t size{};
};

constinit TicketLock g_console_lock{};
constinit std::array<Budget, kPartitions> g_budgets{};
constinit std::array<GuestLine, kPartitions> g_guest_lines{};

[[nodiscard]] std::uint64_t now_milliseconds() { return hal::ticks() / (hal::ticks_per_second() / 1000); }

void write_line(std::string_view prefix, std::string_view line) {
  hal::console_write(prefix);
  hal::console_write(line);
  hal::console_write("\r\n");
}

// Callers hold the console lock.
[[nodiscard]] bool take(Budget& budget) {
  const std::uint64_t now = now_milliseconds();
  const std::uint64_t earned = (now - budget.last_refill) / kLogRefillMilliseconds;
  if (earned != 0) {
    budget.used = earned < budget.used ? budget.used - static_cast<std::uint32_t>(earned) : 0;
    budget.last_refill = now;
  }
  if (budget.used == kLogBudget) {
    ++budget.dropped;
    return false;
  }
  ++budget.used;
  return true;
}

void flush(base::PartitionId partition, GuestLine& line) {
  LogLine prefix;
  prefix.text("[enclave ").number(base::slot_of(partition).value).text("] ");
  write_line(prefix.view(), {line.text.data(), line.size});
  line.size = 0;
}

}  // namespace

LogLine& LogLine::text(std::string_view text) {
  const std::size_t count = std::min(text.size(), line_.size() - size_);
  for (std::size_t i = 0; i < count; ++i) line_[size_++] = text[i];
  return *this;
}

LogLine& LogLine::hex(std::uint64_t value) {
  text("0x");
  int shift = 60;
  while (shift > 0 && (value >> shift & 15) == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) digit(value >> shift & 15);
  return *this;
}

LogLine& LogLine::number(std::uint64_t value) {
  std::array<char, 20> digits{};
  std::size_t at = digits.size();
  do {
    digits[--at] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  return text({digits.data() + at, digits.size() - at});
}

LogLine& LogLine::bytes(base::Bytes bytes) {
  for (const std::uint8_t byte : bytes) {
    digit(byte >> 4);
    digit(byte & 15);
  }
  return *this;
}

void LogLine::digit(std::uint64_t value) {
  const char character = static_cast<char>(value < 10 ? '0' + value : 'a' + value - 10);
  text({&character, 1});
}

void forget_console(base::PartitionId partition) {
  const Locked locked{g_console_lock};
  g_guest_lines[partition.value].size = 0;
}

void log(const LogLine& line) {
  const Locked locked{g_console_lock};
  write_line("cofferdam: ", line.view());
}

void log_about(base::PartitionId partition, const LogLine& line) {
  const Locked locked{g_console_lock};
  Budget& budget = g_budgets[partition.value];
  if (!take(budget)) return;
  if (budget.dropped != 0) {
    LogLine dropped;
    dropped.number(budget.dropped).text(" lines about partition ").number(partition.value).text(" were not shown");
    write_line("cofferdam: ", dropped.view());
    budget.dropped = 0;
  }
  write_line("cofferdam: ", line.view());
}

void console_from_guest(base::PartitionId partition, std::string_view text) {
  const Locked locked{g_console_lock};
  if (partition == base::kParent) {  // as it is, but for what would steer the operator's terminal
    LogLine harmless;
    for (const char character : text) {
      const bool kept = (character >= ' ' && character < 0x7f) || character == '\n' || character == '\r' ||
                        character == '\t';
      if (kept) harmless.text({&character, 1});
    }
    hal::console_write(harmless.view());
    return;
  }
  GuestLine& line = g_guest_lines[partition.value];
  for (const char character : text) {
    if (character == '\n' || line.size == line.text.size()) flush(partition, line);
    // An escape sequence of an enclave must not reach the operator's terminal.
    if (character >= ' ' && character < 0x7f) line.text[line.size++] = character;
  }
}

}  // namespace monitor
