// What holds for every store, whatever is under it. SQLite runs each as a test of its own; PostgreSQL all in one, on one server.
#pragma once

#include <ostream>
#include <span>

#include "tests/unit/tools/kms/store/databases.hpp"

namespace kms {

struct Scenario {
  const char* name;
  void (*run)(TestDatabase&);
};
// Else GoogleTest, and ctest after it, calls a test by the bytes of its scenario: addresses, which are others in each build.
inline void PrintTo(const Scenario& scenario, std::ostream* out) { *out << scenario.name; }
[[nodiscard]] std::span<const Scenario> record_scenarios();
[[nodiscard]] std::span<const Scenario> audit_scenarios();
[[nodiscard]] std::span<const Scenario> parallel_scenarios();

}  // namespace kms
