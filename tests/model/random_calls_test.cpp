// Random runs in lockstep, and the proof that they find what is broken: the same runs on a machine that misbehaves.
#include "tests/model/random_calls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

namespace {

using model::RunConfig;
using model::RunReport;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

// COFFERDAM_SEED, COFFERDAM_RUNS and COFFERDAM_STEPS make it another run, or a long one (./x soak).
TEST(RandomCalls, MonitorAndSpecificationAgree) {
  const std::uint64_t first = from_environment("COFFERDAM_SEED", 1);
  const std::uint64_t runs = from_environment("COFFERDAM_RUNS", 12);
  const std::uint64_t steps = from_environment("COFFERDAM_STEPS", 2000);
  RunReport sum;
  std::uint64_t done = 0;
  for (std::uint64_t seed = first; seed < first + runs; ++seed) {
    const RunConfig config{.seed = seed, .steps = steps};
    const RunReport report = model::run_random(config);
    ASSERT_FALSE(report.problem) << model::explain(report, config);
    sum.accepted += report.accepted;
    sum.refused += report.refused;
    sum.enclaves_run += report.enclaves_run;
    sum.checks += report.checks;
    done += report.ops.size();
  }
  std::cout << "seeds " << first << ".." << first + runs - 1 << ": " << done << " operations, " << sum.accepted
            << " calls accepted, " << sum.refused << " refused, " << sum.enclaves_run << " enclaves run, " << sum.checks
            << " checks between effects\n";
  // A run that meets only refusals would prove nothing.
  EXPECT_GT(sum.accepted, done / 20);
  EXPECT_GT(sum.enclaves_run, runs / 2);
}

using Watchers = model::Lockstep::Watchers;

struct Broken {
  const char* name;
  host::Sabotage sabotage;
  Watchers watchers;
  const char* finding;
};

class OnABrokenMachine : public ::testing::TestWithParam<Broken> {};

TEST_P(OnABrokenMachine, TheRunsNoticeIt) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    const RunConfig config{.seed = seed, .steps = 1000, .sabotage = GetParam().sabotage, .inject_faults = false,
                           .watchers = GetParam().watchers};
    if (const RunReport report = model::run_random(config); report.problem) {
      std::cout << "seed " << seed << ", operation " << report.ops.size() << ": " << *report.problem << "\n";
      EXPECT_THAT(*report.problem, ::testing::ContainsRegex(GetParam().finding));
      return;
    }
  }
  FAIL() << "nobody noticed";
}

// Each check alone, so that none of them is there for show.
INSTANTIATE_TEST_SUITE_P(
    Sabotage, OnABrokenMachine,
    ::testing::Values(
        Broken{"NoTlbInvalidateExclusive", {.ignore_tlb_invalidate = true}, Watchers::kExclusive, "through a TLB"},
        Broken{"NoTlbInvalidateAutomaton", {.ignore_tlb_invalidate = true}, Watchers::kAutomaton, "made valid again|may still"},
        Broken{"NoBarrierExclusive", {.ignore_barrier = true}, Watchers::kExclusive, "through a TLB"},
        Broken{"NoBarrierAutomaton", {.ignore_barrier = true}, Watchers::kAutomaton, "made valid again|may still"},
        Broken{"NoSmmuInvalidateExclusive", {.ignore_smmu_invalidate = true}, Watchers::kExclusive, "through the SMMU"},
        Broken{"NoSmmuInvalidateAutomaton", {.ignore_smmu_invalidate = true}, Watchers::kAutomaton, "made valid again|may still"},
        Broken{"NoSmmuSyncExclusive", {.ignore_smmu_sync = true}, Watchers::kExclusive, "through the SMMU"},
        Broken{"NoSmmuSyncAutomaton", {.ignore_smmu_sync = true}, Watchers::kAutomaton, "made valid again|may still"},
        Broken{"NoStreamInvalidateExclusive", {.ignore_stream_invalidate = true}, Watchers::kExclusive, "stream|a device wrote"},
        Broken{"NoStreamInvalidateAutomaton", {.ignore_stream_invalidate = true}, Watchers::kAutomaton, "older entry|a device wrote"},
        Broken{"NoScrubExclusive", {.ignore_scrub = true}, Watchers::kExclusive, "is not zero"}),
    [](const auto& broken) { return std::string(broken.param.name); });

TEST(RandomCalls, ASeedGivesTheSameRunTwice) {
  const RunConfig config{.seed = 7, .steps = 300};
  const RunReport one = model::run_random(config);
  const RunReport two = model::run_random(config);
  ASSERT_EQ(one.ops.size(), two.ops.size());
  for (std::size_t i = 0; i < one.ops.size(); ++i) EXPECT_EQ(model::to_text(one.ops[i]), model::to_text(two.ops[i]));
}

TEST(RandomCalls, AFailingRunIsCutDown) {
  RunConfig config{.seed = 1, .steps = 1000, .sabotage = {.ignore_tlb_invalidate = true}, .inject_faults = false};
  RunReport report = model::run_random(config);
  while (!report.problem) {
    ++config.seed;
    report = model::run_random(config);
  }
  const auto small = model::shrink(report.ops, config);
  EXPECT_TRUE(model::run_ops(small, config).problem);
  EXPECT_LE(small.size(), 3U) << "a slot and a donation are enough to miss a TLBI";
}

}  // namespace
