// The options that say what a document must prove, for every command that verifies one.
#pragma once

#include "tools/cofferdam/verify.hpp"
#include "tools/command_line/command_line.hpp"

namespace cofferdam {

struct VerifyFlags {
  std::optional<std::string> event_log, ledger;  // given and empty is a mistake, not an absence
  std::vector<std::string> roots, pcrs, policies, reference_values;
  bool allow_development{}, allow_debug{};
};

void add_verify_flags(command_line::Command command, VerifyFlags& flags);
// Reads the files. Time and nonce are left for the caller. Throws Unreadable.
[[nodiscard]] VerifyOptions verify_options_of(const VerifyFlags& flags);
// Unix seconds.
[[nodiscard]] std::int64_t time_now();

}  // namespace cofferdam
