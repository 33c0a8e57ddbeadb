// The client is ended before each statement, and the server in the midst of the work.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "tests/unit/tools/kms/store/work_that_is_cut_off.hpp"
#include "tools/kms/audit_log.hpp"
#include "tools/kms/store/sql.hpp"

namespace kms {
namespace {

// A database that was prepared once, again and again.
class FreshCopies {
 public:
  explicit FreshCopies(const PostgresqlServer& server) : server_(server) {
    PostgresqlTestDatabase prepared(server, "prepared");
    prepare_for_cut(prepared);
  }
  std::unique_ptr<PostgresqlTestDatabase> next() {
    if (number_ > 0) server_.run("postgres", "DROP DATABASE " + name() + " WITH (FORCE)");
    ++number_;
    return std::make_unique<PostgresqlTestDatabase>(server_, name(), "prepared");
  }

 private:
  [[nodiscard]] std::string name() const { return "copy" + std::to_string(number_); }
  const PostgresqlServer& server_;
  int number_{};
};

struct HookEnds {
  ~HookEnds() { sql::statement_hook() = nullptr; }
};

TEST(PostgresqlCrash, NoKeyIsLostAndNoneHalfMade) {
  std::string why_not;
  const auto server = PostgresqlServer::start(why_not);
  if (!server) GTEST_SKIP() << why_not;
  FreshCopies copies(*server);
  int statement = 1;
  for (;; ++statement) {
    ASSERT_LT(statement, 1000);
    const auto database = copies.next();
    const Ended ended = run_in_process([&](const auto& answered) {
      sql::statement_hook() = [&, left = statement](std::string_view) mutable {
        if (--left == 0) ::kill(::getpid(), SIGKILL);
      };
      work(*database, answered);
    });
    ASSERT_EQ(what_is_wrong(*database, ended.answered), "") << "statement " << statement << ", answered " << ended.answered;
    if (!ended.killed) break;
  }
  EXPECT_GT(statement, 80);
  std::printf("%d statements\n", statement);
}

// All of the server's processes are ended; it comes back; the client has waited and says of nothing that it failed.
TEST(PostgresqlCrash, AServerThatComesBackIsWaitedFor) {
  std::string why_not;
  const auto server = PostgresqlServer::start(why_not);
  if (!server) GTEST_SKIP() << why_not;
  FreshCopies copies(*server);
  const HookEnds ends;
  for (const std::string_view at : {"BEGIN", "INSERT INTO keys", "UPDATE audit_head", "COMMIT"}) {
    SCOPED_TRACE(at);
    const auto database = copies.next();
    database->patience = std::chrono::seconds(60);
    int seen = 0;
    sql::statement_hook() = [&](std::string_view statement) {
      if (statement.starts_with(at) && ++seen == 3 - (at == "INSERT INTO keys" ? 2 : 0)) server->crash_and_restart();
    };
    int answered = 0;
    EXPECT_NO_THROW(work(*database, [&](int step) { answered = step; }));
    sql::statement_hook() = nullptr;
    EXPECT_EQ(answered, kWorkSteps);
    EXPECT_EQ(what_is_wrong(*database, answered), "");
  }
}

// The connection ends while it commits: the log tells whether it did.
TEST(PostgresqlCrash, WhatACommitDidIsLookedUp) {
  std::string why_not;
  const auto server = PostgresqlServer::start(why_not);
  if (!server) GTEST_SKIP() << why_not;
  FreshCopies copies(*server);
  const HookEnds ends;
  for (const std::string_view at : {"COMMIT", ""}) {
    SCOPED_TRACE(at.empty() ? "after it" : "before it");
    const auto database = copies.next();
    const auto store = database->open();
    bool broken = false;
    sql::statement_hook() = [&](std::string_view statement) {
      if (statement != at || broken) return;
      broken = true;
      throw sql::CommitUnknown("the connection ended", "");
    };
    EXPECT_EQ(store->create_key(a_key(*database, id_of(10), 10), an_event("CreateKey", id_of(10))), Outcome::kDone)
        << "neither refused as there already, nor made twice";
    sql::statement_hook() = nullptr;
    EXPECT_TRUE(broken);
    std::size_t entries = 0;
    for (const AuditEntry& entry : store->read_audit(0, 100)) entries += entry.event.key == id_of(10) ? 1 : 0;
    EXPECT_EQ(entries, 1U);
    EXPECT_EQ(what_is_wrong(*database, 1), "");
  }
}

}  // namespace
}  // namespace kms
