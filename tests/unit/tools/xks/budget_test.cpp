#include "tools/xks/budget.hpp"

#include <gtest/gtest.h>

#include <atomic>

namespace {

using namespace std::chrono_literals;
using xks::BudgetedWork;
using xks::Finished;

TEST(XksBudget, WorkThatEndsInTimeHasRun) {
  BudgetedWork work(2, 4);
  int result = 0;
  EXPECT_EQ(work.run([&result] { result = 7; }, 1s), Finished::kYes);
  EXPECT_EQ(result, 7);
}

TEST(XksBudget, LateWorkIsGivenUpItsThreadComesBackAndWhatNobodyWaitsForIsntBegun) {
  BudgetedWork work(1, 4);
  auto ended = std::make_shared<std::atomic<int>>(0);
  auto begun = std::make_shared<std::atomic<int>>(0);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(work.run([ended] { std::this_thread::sleep_for(300ms); ++*ended; }, 50ms), Finished::kLate);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 250ms);
  EXPECT_EQ(work.run([begun] { ++*begun; }, 50ms), Finished::kLate);  // behind the first
  EXPECT_EQ(work.run([] {}, 2s), Finished::kYes);
  EXPECT_EQ(*ended, 1);
  EXPECT_EQ(*begun, 0);
}

TEST(XksBudget, WhatWaitsIsBounded) {
  BudgetedWork work(1, 1);
  std::thread slow([&work] { (void)work.run([] { std::this_thread::sleep_for(300ms); }, 1s); });
  std::this_thread::sleep_for(50ms);
  std::thread waits([&work] { EXPECT_EQ(work.run([] {}, 2s), Finished::kYes); });
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(work.run([] {}, 1s), Finished::kCrowded);
  slow.join();
  waits.join();
}

}  // namespace
