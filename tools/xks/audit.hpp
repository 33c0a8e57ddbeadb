// One line of JSON for each call: who asked for what, and what became of it. Nothing secret, nothing of a request whose signature
// didn't hold.
#pragma once

#include <chrono>
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
  void write(const AuditEntry& entry);
  void note(const std::string& event, const std::string& detail);  // of the proxy itself

 private:
  void write_line(const std::string& line);
  int file_;
};

}  // namespace xks
