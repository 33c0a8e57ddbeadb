#include "tools/xks/audit.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <ctime>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

namespace xks {
namespace {

using OrderedJson = nlohmann::ordered_json;

std::string time_text() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  char text[64];
  const std::size_t size = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof(text) - size, ".%03dZ", static_cast<int>(now.tv_nsec / 1000000));
  return text;
}

}  // namespace

AuditLog::AuditLog(const std::string& file)
    : file_(file.empty() ? STDERR_FILENO : open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) {
  if (file_ < 0) throw std::runtime_error("the audit file " + file + " can't be opened");
}

AuditLog::~AuditLog() {
  if (without_line_ > 0) tell_number(without_line_);
  if (file_ != STDERR_FILENO) close(file_);
}

bool AuditLog::has_a_line(bool stranger) {
  constexpr std::uint64_t kMostLines = 10;
  constexpr std::chrono::seconds kMinute{60};
  std::uint64_t untold = 0;
  bool line = true;
  {
    const std::lock_guard lock(mutex_);
    const auto time = clock();
    if (time - minute_ >= kMinute) {
      minute_ = time;
      untold = std::exchange(without_line_, 0);
      lines_ = 0;
    }
    if (stranger) line = ++lines_ <= kMostLines;
    if (!line) ++without_line_;
  }
  if (untold > 0) tell_number(untold);
  return line;
}

void AuditLog::tell_number(std::uint64_t number) {
  write_line(OrderedJson({{"time", time_text()}, {"event", "strangers-refused"}, {"count", number},
                   {"detail", "more requests within a minute without a good signature"}}).dump());
}

void AuditLog::write(const AuditEntry& entry) {
  if (!has_a_line(entry.access_key_id.empty())) return;
  OrderedJson line = {{"time", time_text()}, {"call", entry.call}, {"status", entry.status}};
  const auto add = [&line](const char* name, const std::string& value) {
    if (!value.empty()) line[name] = value;
  };
  add("error", entry.error);
  add("detail", entry.detail);
  add("externalKeyId", entry.key_id);
  add("accessKeyId", entry.access_key_id);
  add("client", entry.client_name);
  add("kmsOperation", entry.metadata.operation);
  add("kmsRequestId", entry.metadata.request_id);
  add("kmsKeyArn", entry.metadata.key_arn);
  add("awsPrincipalArn", entry.metadata.principal_arn);
  add("kmsViaService", entry.metadata.via_service);
  line["microseconds"] = entry.took.count();
  write_line(line.dump(-1, ' ', true, OrderedJson::error_handler_t::replace));
}

void AuditLog::note(const std::string& event, const std::string& detail) {
  write_line(OrderedJson({{"time", time_text()}, {"event", event}, {"detail", detail}}).dump(-1, ' ', true, OrderedJson::error_handler_t::replace));
}

void AuditLog::write_line(const std::string& line) {
  const std::string whole = line + "\n";
  // One write with O_APPEND: lines of threads don't mix. A full disk must not stop decryption of what is on it.
  (void)!::write(file_, whole.data(), whole.size());
}

}  // namespace xks
