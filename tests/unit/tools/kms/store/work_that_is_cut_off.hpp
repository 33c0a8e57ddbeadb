// A piece of the service's work that is ended at some point of a write, and what must hold afterwards: no key lost, none half made.
#pragma once

#include <functional>

#include "tests/unit/tools/kms/store/databases.hpp"

namespace kms {

// What the store has before: keys 1 (enabled), 2 (deletion due), 3 (its material under root-1), some entries of the log.
void prepare_for_cut(TestDatabase& database);
// Create 10 and 11 with an alias, a new policy for 1, deletion of 2 scheduled and done, rewrap, entries of the log. After each step
// `answered` is called with its number: what was answered must be there.
void work(TestDatabase& database, const std::function<void(int)>& answered);
inline constexpr int kWorkSteps = 8;
// `answered`: the last step that was. Returns what doesn't hold; empty: all does.
[[nodiscard]] std::string what_is_wrong(TestDatabase& database, int answered);

struct Ended {
  bool killed{};
  int answered{};  // the last step of the work that was answered
};
// Runs it in a process of its own, which says over a pipe what it has answered.
[[nodiscard]] Ended run_in_process(const std::function<void(const std::function<void(int)>&)>& body);

}  // namespace kms
