// The process is ended at each step with which SQLite writes, and the store is opened again.
#include <gtest/gtest.h>
#include <cstdio>
#include <filesystem>

#include "tests/unit/tools/kms/store/broken_disk.hpp"
#include "tests/unit/tools/kms/store/work_that_is_cut_off.hpp"

namespace kms {
namespace {

void copy_database(const SqliteFile& from, const SqliteFile& to) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::error_code ignored;
    std::filesystem::remove(to.file() + suffix, ignored);
    if (std::filesystem::exists(from.file() + suffix)) std::filesystem::copy_file(from.file() + suffix, to.file() + suffix);
  }
}

class SqliteCrash : public testing::TestWithParam<Breakage> {};

TEST_P(SqliteCrash, NoKeyIsLostAndNoneHalfMade) {
  SqliteFile original, database;
  prepare_for_cut(original);
  std::uint64_t step = 1;
  for (;; ++step) {
    ASSERT_LT(step, 2000U);
    copy_database(original, database);
    const Ended ended = run_in_process([&](const auto& answered) {
      use_broken_disk(GetParam(), step);
      work(database, answered);
    });
    ASSERT_EQ(what_is_wrong(database, ended.answered), "") << "step " << step << ", answered " << ended.answered;
    if (!ended.killed && ended.answered == kWorkSteps) break;
  }
  // Fewer would mean that the disk wasn't SQLite's.
  EXPECT_GT(step, 60U);
  RecordProperty("steps", std::to_string(step));
  std::printf("%llu steps\n", static_cast<unsigned long long>(step));
}
INSTANTIATE_TEST_SUITE_P(Kms, SqliteCrash,
                         testing::Values(Breakage::kEndBefore, Breakage::kEndTorn, Breakage::kEndAfter, Breakage::kPowerLoss,
                                         Breakage::kFail),
                         [](const auto& parameter) {
                           switch (parameter.param) {
                             case Breakage::kEndBefore: return "EndBefore";
                             case Breakage::kEndTorn: return "EndTorn";
                             case Breakage::kEndAfter: return "EndAfter";
                             case Breakage::kPowerLoss: return "PowerLoss";
                             case Breakage::kFail: return "Fail";
                           }
                           return "?";
                         });

// Ended while the store is made: it is made by the next one.
TEST(SqliteCrashAtFirst, AStoreThatWasNotFinishedIsFinished) {
  for (std::uint64_t step = 1;; ++step) {
    ASSERT_LT(step, 2000U);
    SqliteFile database;
    const Ended ended = run_in_process([&](const auto& answered) {
      use_broken_disk(Breakage::kEndTorn, step);
      prepare_for_cut(database);
      answered(1);
    });
    const auto store = database.open();
    const auto count = store->list_keys("111122223333", "", 100).records.size();
    ASSERT_EQ(store->read_audit(0, 100).size(), count) << "step " << step;
    if (!ended.killed) break;
  }
}

// A disk that fails and is mended: the same process goes on, and what it was told was done, is.
TEST(SqliteDisk, AFailureIsAnErrorAndChangesNothing) {
  SqliteFile original, database;
  prepare_for_cut(original);
  int failures = 0;
  for (std::uint64_t step = 1;; ++step) {
    ASSERT_LT(step, 200U);
    copy_database(original, database);
    use_broken_disk(Breakage::kFail, 0);
    const auto store = database.open();
    use_broken_disk(Breakage::kFail, step);
    bool failed = false;
    try {
      (void)store->change_key({id_of(1)}, kEnabledOnly, {.state = KeyState::kDisabled}, an_event("DisableKey", id_of(1)));
    } catch (const StoreError&) {
      failed = true;
    }
    mend_disk();
    const auto key = store->find_key({id_of(1)});
    ASSERT_TRUE(key.has_value());
    EXPECT_EQ(key->state, failed ? KeyState::kEnabled : KeyState::kDisabled) << "step " << step;
    EXPECT_EQ(store->create_key(a_key(database, id_of(30)), an_event("CreateKey")), Outcome::kDone);
    EXPECT_EQ(what_is_wrong(database, 0), "") << "step " << step;
    if (!failed) break;
    ++failures;
  }
  EXPECT_GT(failures, 2);
}

}  // namespace
}  // namespace kms
