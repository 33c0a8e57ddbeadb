// Several threads, and two instances of the service, on one store.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "tests/unit/tools/kms/store/scenarios.hpp"
#include "tools/kms/audit_log.hpp"

namespace kms {
namespace {


void two_instances_write_one_log(TestDatabase& database) {
  database.patience = std::chrono::seconds(30);
  const std::unique_ptr<Store> instances[] = {database.open(), database.open()};
  ASSERT_EQ(instances[0]->create_key(a_key(database, id_of(0)), an_event("CreateKey")), Outcome::kDone);
  constexpr int kThreads = 6, kRounds = 15;
  std::atomic<int> created{0}, disabled{0}, deleted{0};
  std::vector<std::uint64_t> sequences[kThreads];
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      Store& store = *instances[thread % 2];
      for (int i = 1; i <= kRounds; ++i) {
        sequences[thread].push_back(store.append_audit(an_event("Decrypt", id_of(thread))));
        if (i % 3 != 0) continue;
        // All threads of both instances want the same: one of them has it.
        if (store.create_key(a_key(database, id_of(i)), an_event("CreateKey")) == Outcome::kDone) ++created;
        const auto change = store.change_key({id_of(i)}, kEnabledOnly, {.state = KeyState::kPendingDeletion, .deletion = database.now},
                                             an_event("ScheduleKeyDeletion"));
        if (change.outcome == Outcome::kDone) ++disabled;
        deleted += static_cast<int>(store.delete_due_keys(database.now, 10).size());
        EXPECT_TRUE(store.find_key({id_of(0)}).has_value());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  deleted += static_cast<int>(instances[0]->delete_due_keys(database.now, 100).size());
  EXPECT_GE(created, kRounds / 3);
  EXPECT_EQ(created, disabled);
  EXPECT_EQ(disabled, deleted);
  std::set<std::uint64_t> all;
  for (const auto& some : sequences) all.insert(some.begin(), some.end());
  EXPECT_EQ(all.size(), std::size_t{kThreads * kRounds}) << "each entry has a number of its own";
  const AuditReport report = verify_audit_log(*instances[1], instances[1]->log_key(), std::nullopt);
  EXPECT_THAT(report.findings, testing::IsEmpty());
  EXPECT_EQ(report.entries, static_cast<std::uint64_t>(1 + kThreads * kRounds + created + disabled + deleted));
}

// What one instance disables, the other one doesn't use any more: nothing is cached.
void a_disabled_key_is_disabled_everywhere_at_once(TestDatabase& database) {
  const auto one = database.open(), two = database.open();
  ASSERT_EQ(one->create_key(a_key(database, id_of(1)), an_event("CreateKey")), Outcome::kDone);
  EXPECT_EQ(two->find_key({id_of(1)})->state, KeyState::kEnabled);
  ASSERT_EQ(one->change_key({id_of(1)}, kEnabledOnly, {.state = KeyState::kDisabled}, an_event("DisableKey")).outcome, Outcome::kDone);
  EXPECT_EQ(two->find_key({id_of(1)})->state, KeyState::kDisabled);
}

constexpr Scenario kParallelScenarios[] = {
    {"TwoInstancesWriteOneLog", two_instances_write_one_log},
    {"ADisabledKeyIsDisabledEverywhereAtOnce", a_disabled_key_is_disabled_everywhere_at_once},
};

}  // namespace

std::span<const Scenario> parallel_scenarios() { return kParallelScenarios; }

}  // namespace kms
