// One line of JSON for each call: who asked for what, and what became of it. Nothing secret, nothing of a request whose signature
// didn't hold. Of those, only ten in a minute have a line; the others are counted, and the number is a line when the minute is over and
// something is written: strangers can't fill the disk.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "tools/xks/requests.hpp"

namespace xks {

struct AuditEntry {
  std::string call;           // "encrypt", or empty: no call of the API
  std::string key_id;
  std::string access_key_id;  // who signed
  std::string client_name;    // of mTLS
  RequestMetadata metadata;
  int status{};
  std::string error;          // name; empty: none
  std::string detail;         // for the operator: the token's own error
  std::chrono::microseconds took{};
};

class AuditLog {
 public:
  // Appends to a file, made with mode 0600; empty: standard error. Throws std::runtime_error.
  explicit AuditLog(const std::string& file);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;
  void write(const AuditEntry& entry);  // of a stranger: who signed is empty
  void note(const std::string& event, const std::string& detail);  // of the proxy itself
  // Tests set another clock, before the first line.
  std::function<std::chrono::steady_clock::time_point()> clock = [] { return std::chrono::steady_clock::now(); };

 private:
  // False: it is counted, no more. Begins a new minute when it is time.
  bool has_a_line(bool stranger);
  void tell_number(std::uint64_t number);
  void write_line(const std::string& line);

  int file_;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point minute_{};  // its begin
  std::uint64_t lines_{0}, without_line_{0};        // of strangers, in this minute
};

}  // namespace xks
