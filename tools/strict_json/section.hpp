// One object of a configuration file: each member is asked for once, and what nobody asked for is refused: a misspelt name would
// silently leave a restriction out.
#pragma once

#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "tools/strict_json/strict_json.hpp"

namespace strict_json {

// The message names the member, as in "tls.key is missing".
class Unfit : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// All throw Unfit. The JSON outlives its sections.
class Section {
 public:
  Section(const Json& object, std::string where);  // `where`: its name in messages; empty: the whole file
  [[noreturn]] void fail(const std::string& name, const std::string& what) const;
  [[nodiscard]] const Json* find(const char* name);  // nullptr: absent
  [[nodiscard]] Section section(const char* name);   // absent: one without members
  [[nodiscard]] std::string text(const char* name, std::string otherwise = {});
  [[nodiscard]] std::string needed(const char* name);  // neither absent nor empty
  [[nodiscard]] std::int64_t number(const char* name, std::int64_t least, std::int64_t most, std::int64_t otherwise);
  [[nodiscard]] bool flag(const char* name, bool otherwise);
  [[nodiscard]] std::vector<std::string> texts(const char* name, std::size_t most);  // none of them empty; absent: none
  [[nodiscard]] std::string within(const std::string& name) const;
  void nothing_else() const;

 private:
  const Json& object_;
  std::string where_;
  std::set<std::string> known_;
};

}  // namespace strict_json
