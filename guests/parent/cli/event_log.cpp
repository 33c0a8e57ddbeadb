#include "guests/parent/cli/event_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "guests/parent/cli/environment.hpp"

namespace enclave_cli {
namespace {

constexpr const char* kFileName = "nitro_enclaves.log";

const char* name_of(Level level) {
  switch (level) {
    case Level::kInfo:
      return "INFO";
    case Level::kWarning:
      return "WARN";
    case Level::kError:
      return "ERROR";
  }
  return "?";
}

std::string now() {  // 2026-01-31T23:59:59.123Z
  using namespace std::chrono;
  const auto time = time_point_cast<milliseconds>(system_clock::now());
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{time - day};
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text.data();
}

}  // namespace

EventLog::EventLog(const std::string& folder, std::string who) : path_(folder + '/' + kFileName), who_(std::move(who)) {
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
}

void EventLog::write(Level level, std::string_view text) const {
  std::string line = '[' + who_ + "][" + name_of(level) + "][" + now() + "] ";
  // One event is one line, whatever an enclave's console or a file's name holds.
  for (const char c : text) line += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  line += '\n';
  const Descriptor file(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!file) return;
  [[maybe_unused]] const ssize_t written = ::write(file.get(), line.data(), line.size());
}

}  // namespace enclave_cli
