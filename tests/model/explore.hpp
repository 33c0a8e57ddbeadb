// Every state of a small world, by breadth-first search over the shipped plans.
//
// The world is tiny-model with a handful of named ranges; an edge is one call of the parent's or of an enclave's, or the
// end of a piece of work that was begun and goes on outside the lock, so calls of a second core fall between begin and
// end in every way there is. plan() and commit() are the shipped functions; their effects are carried out on flat tables
// (who reaches a frame, who may still, is it zero), and after every single effect the invariants are checked.
// States are told apart by what the specification and the monitor say of them; uids and counters don't count.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace model {

struct ExploreConfig {
  unsigned ranges{2};           // named ranges of RAM that are donated, shared and given back
  unsigned cores{2};            // of which one is the parent's boot core
  bool device{true};
  bool channel{true};
  std::size_t most_states{2'000'000};
  bool forget_invalidation{};   // negative test: InvalidateStage2 does nothing
  bool forget_scrub{};          // negative test: scrubbing does nothing
};

struct ExploreReport {
  std::optional<std::string> problem;
  std::vector<std::string> path;  // the shortest way to it
  std::size_t states{};
  std::size_t edges{};
  std::size_t effects{};          // after each of which everything was checked
  std::size_t depth{};
  std::size_t refused{};
  bool complete{};                // no state was left out
};

[[nodiscard]] ExploreReport explore(const ExploreConfig& config);

}  // namespace model
