// The log file that all commands and enclave processes write, as nitro-cli's (nitro_enclaves.log): one line for each
// event, "[who][level][time] text". A log that can't be written stops nothing.
#pragma once

#include <string>
#include <string_view>

namespace enclave_cli {

enum class Level : unsigned char { kInfo, kWarning, kError };

class EventLog {
 public:
  // who: "nitro-cli:123", "enc0123". The folder is made when it is missing.
  EventLog(const std::string& folder, std::string who);
  void write(Level level, std::string_view text) const;
  void rename(std::string who) { who_ = std::move(who); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::string who_;
};

}  // namespace enclave_cli
