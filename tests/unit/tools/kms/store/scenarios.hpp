// What holds for every store, whatever is under it. SQLite runs each as a test of its own; PostgreSQL all in one, on one server.
#pragma once

#include <span>

#include "tests/unit/tools/kms/store/databases.hpp"

namespace kms {

struct Scenario {
  const char* name;
  void (*run)(TestDatabase&);
};
[[nodiscard]] std::span<const Scenario> record_scenarios();
[[nodiscard]] std::span<const Scenario> audit_scenarios();
[[nodiscard]] std::span<const Scenario> parallel_scenarios();

}  // namespace kms
