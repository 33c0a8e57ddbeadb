// Every state of small worlds, and the proof that a broken machine is found with the shortest way to it.
#include "tests/model/explore.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

namespace {

std::string explain(const model::ExploreReport& report) {
  std::string text = *report.problem;
  for (const std::string& step : report.path) text += "\n  " + step;
  return text;
}

void expect_whole(const model::ExploreConfig& config, const char* name) {
  const model::ExploreReport report = model::explore(config);
  std::cout << name << ": " << report.states << " states, " << report.edges << " calls and ends of work, "
            << report.effects << " effects, depth " << report.depth << ", " << report.refused << " refusals\n";
  ASSERT_FALSE(report.problem) << explain(report);
  EXPECT_TRUE(report.complete) << "the world is larger than the test allows";
  EXPECT_GT(report.states, 400U) << "a world of refusals proves nothing";
}

TEST(Explore, TwoRangesAChannelAndADevice) { expect_whole({.ranges = 2}, "two ranges, a core, a channel, a device"); }

TEST(Explore, ThreeRanges) { expect_whole({.ranges = 3, .device = false, .channel = false}, "three ranges, a core"); }

TEST(Explore, TwoCores) {
  expect_whole({.ranges = 1, .cores = 3, .device = false, .channel = false}, "one range, two cores");
}

// Some 110,000 states and 4.7 million edges: ./x soak sets COFFERDAM_SOAK.
TEST(Explore, EverythingAtOnce) {
  if (std::getenv("COFFERDAM_SOAK") == nullptr) GTEST_SKIP() << "only in ./x soak (COFFERDAM_SOAK)";
  expect_whole({.ranges = 3, .cores = 3}, "three ranges, two cores, a channel, a device");
}

TEST(Explore, AForgottenInvalidationIsFoundInTheFewestSteps) {
  const model::ExploreReport report = model::explore({.ranges = 1, .device = false, .forget_invalidation = true});
  ASSERT_TRUE(report.problem);
  EXPECT_THAT(*report.problem, ::testing::HasSubstr("two partitions"));
  EXPECT_THAT(report.path, ::testing::ElementsAre("allocate", "donate range 0 slot 0"));
}

TEST(Explore, AForgottenScrubIsFoundInTheFewestSteps) {
  const model::ExploreReport report = model::explore({.ranges = 1, .device = false, .forget_scrub = true});
  ASSERT_TRUE(report.problem);
  EXPECT_THAT(*report.problem, ::testing::HasSubstr("not zeroed"));
  EXPECT_LE(report.path.size(), 4U);
}

}  // namespace
