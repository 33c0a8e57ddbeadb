// Long random runs in lockstep: mostly sensible calls, chosen by the specification's own bookkeeping, some senseless.
//
// A run happens in a child process, so a crash of the monitor is a finding like any other and every run starts from a
// machine that was never used. The same seed gives the same run. A failing run is cut down to a short one.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "hal/host/sabotage.hpp"
#include "tests/model/lockstep.hpp"

namespace model {

struct RunConfig {
  std::uint64_t seed{1};
  std::size_t steps{1000};
  host::Sabotage sabotage{};
  bool inject_faults{true};
  Lockstep::Watchers watchers{Lockstep::Watchers::kAll};
};

struct RunReport {
  std::optional<std::string> problem;
  std::vector<Op> ops;           // what was done, the failing operation last
  std::uint64_t accepted{};      // calls that were answered with 0
  std::uint64_t refused{};
  std::uint64_t enclaves_run{};  // starts that led to a running enclave
  std::uint64_t checks{};        // between effects
};

class Generator {
 public:
  explicit Generator(const RunConfig& config) : random_(config.seed), inject_faults_(config.inject_faults) {}
  [[nodiscard]] Op next(const Spec& spec);

 private:
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : random_() % bound; }
  [[nodiscard]] bool one_in(std::uint64_t n) { return below(n) == 0; }
  [[nodiscard]] Op choose(const Spec& spec);
  [[nodiscard]] Op call(base::CoreId core, Function function, std::array<std::uint64_t, 6> arguments, int slot);
  [[nodiscard]] Op about_slot(const Spec& spec, unsigned number);
  [[nodiscard]] Op senseless(const Spec& spec);
  [[nodiscard]] Op touch(const Spec& spec, base::CoreId core);
  [[nodiscard]] Op from_enclave(base::CoreId core);
  void plan_enclave(const Spec& spec, unsigned number);
  [[nodiscard]] std::uint64_t extreme();
  [[nodiscard]] Range parents_range(const Spec& spec);

  std::mt19937_64 random_;
  bool inject_faults_;
  std::deque<Op> planned_;
};

// One run; never throws, never crashes.
[[nodiscard]] RunReport run_random(const RunConfig& config);
[[nodiscard]] RunReport run_ops(const std::vector<Op>& ops, const RunConfig& config);
// The shortest sequence found, in at most `tries` runs, that still fails.
[[nodiscard]] std::vector<Op> shrink(std::vector<Op> ops, const RunConfig& config, unsigned tries = 300);
// Seed, problem and the short sequence, for a person.
[[nodiscard]] std::string explain(const RunReport& report, const RunConfig& config);

}  // namespace model
