// cofferdam-kms audit verify | show, and rewrap: what is done to a store beside the service.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

#include "tools/command_line/command_line.hpp"
#include "tools/kms/audit_log.hpp"
#include "tools/kms/key_wrapping.hpp"

namespace kms {

struct AuditShowOptions {
  std::uint64_t after{};
  std::uint64_t limit{1000};  // entries printed
  std::string key, operation;  // empty: all
  bool json{};                 // one object a line
};

// The exit code: 0 it holds, 1 something was changed.
int print_audit_verification(Store& store, const std::optional<ExpectedHead>& expected, bool json, std::ostream& out);
int print_audit_log(Store& store, const AuditShowOptions& options, std::ostream& out);
// "SEQUENCE:HASH", as verify prints it. Nullopt: something else.
[[nodiscard]] std::optional<ExpectedHead> parse_expected_head(std::string_view text);

// Opens the token and the store that a configuration names, and runs `use` with them. `to_read`: open_store_to_read.
using WithStore = std::function<int(const std::string& configuration_file, bool to_read,
                                    const std::function<int(Store&, KeyWrapping&)>& use)>;

class AuditCommand {
 public:
  void add_to(command_line::Command app);
  [[nodiscard]] bool chosen() const;
  // Answers the exit code: 0, 1, or 2 for a wrong use. Throws what opening throws.
  [[nodiscard]] int run(const WithStore& with_store) const;

 private:
  command_line::Command command_;
  command_line::Command verify_;
  command_line::Command show_;
  std::string configuration_, store_, expected_;
  bool json_{};
  AuditShowOptions show_options_;
};

// Wraps everything by the root key that the configuration names. The service may run meanwhile.
class RewrapCommand {
 public:
  void add_to(command_line::Command app);
  [[nodiscard]] bool chosen() const;
  [[nodiscard]] int run(const WithStore& with_store) const;

 private:
  command_line::Command command_;
  std::string configuration_;
  bool json_{};
};

}  // namespace kms
