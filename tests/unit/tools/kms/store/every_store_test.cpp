#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/unit/tools/kms/store/scenarios.hpp"

namespace kms {
namespace {

std::vector<Scenario> all_scenarios() {
  std::vector<Scenario> all;
  for (const auto some : {record_scenarios(), audit_scenarios(), parallel_scenarios()}) all.insert(all.end(), some.begin(), some.end());
  return all;
}

class SqliteStore : public testing::TestWithParam<Scenario> {};

TEST_P(SqliteStore, Holds) {
  SqliteFile database;
  GetParam().run(database);
}
INSTANTIATE_TEST_SUITE_P(Kms, SqliteStore, testing::ValuesIn(all_scenarios()), [](const auto& parameter) { return parameter.param.name; });

bool holds(const std::string& file, const Bytes& bytes) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return false;
  const Bytes all = cofferdam::read_file(file, 1 << 24);
  return std::search(all.begin(), all.end(), bytes.begin(), bytes.end()) != all.end();
}

TEST(SqliteFiles, DeletedMaterialIsGoneFromThem) {
  SqliteFile database;
  const auto store = database.open();
  const KeyRecord key = a_key(database, id_of(1));
  const Bytes& ciphertext = key.material[0].wrapped.ciphertext;
  ASSERT_EQ(store->create_key(key, an_event("CreateKey")), Outcome::kDone);
  ASSERT_TRUE(holds(database.file(), ciphertext) || holds(database.file() + "-wal", ciphertext));
  ASSERT_EQ(store->change_key(key.id, kEnabledOnly, {.state = KeyState::kPendingDeletion, .deletion = database.now}, an_event("Schedule")).outcome,
            Outcome::kDone);
  ASSERT_EQ(store->delete_due_keys(database.now, 10).size(), 1U);
  EXPECT_FALSE(holds(database.file(), ciphertext));
  EXPECT_FALSE(holds(database.file() + "-wal", ciphertext));
}

// Seals say that a record is the service's, not that the database found the one that was asked for: who writes to the file can tell
// it another idea of equality.
TEST(SqliteFiles, AnotherIdeaOfEqualityFindsNothing) {
  SqliteFile database;
  const auto store = database.open();
  const KeyRecord key = a_key(database, "abcdef00-1111-4222-8333-444455556666");
  ASSERT_EQ(store->create_key(key, an_event("CreateKey")), Outcome::kDone);
  ASSERT_EQ(store->create_alias({key.account, "alias/Weights", key.id, database.now, database.now}, {}, an_event("CreateAlias")), Outcome::kDone);
  const std::string other = "ABCDEF00-1111-4222-8333-444455556666";
  EXPECT_EQ(store->find_key_by_alias(key.account, "alias/weights"), std::nullopt);
  EXPECT_EQ(store->find_key({other}), std::nullopt);
  database.tamper("CREATE TABLE other(account TEXT, name TEXT COLLATE NOCASE, target TEXT, created INTEGER, updated INTEGER, seal BLOB);"
                  "INSERT INTO other SELECT * FROM aliases; DROP TABLE aliases; ALTER TABLE other RENAME TO aliases;");
  EXPECT_TRUE(store->find_key_by_alias(key.account, "alias/Weights"));
  EXPECT_THROW((void)store->find_key_by_alias(key.account, "alias/weights"), StoreError);
  database.tamper("PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON; CREATE TABLE other(id TEXT COLLATE NOCASE, account TEXT, created "
                  "INTEGER, description TEXT, key_spec TEXT, key_usage TEXT, origin TEXT, state TEXT, deletion INTEGER, policy TEXT, "
                  "custom_key_store TEXT, xks_key TEXT, public_key BLOB, revision INTEGER, seal BLOB);"
                  "INSERT INTO other SELECT * FROM keys; DROP TABLE keys; ALTER TABLE other RENAME TO keys;");
  EXPECT_TRUE(store->find_key(key.id));
  EXPECT_THROW((void)store->find_key({other}), StoreError);
  EXPECT_THROW((void)store->change_key({other}, kEnabledOnly, {.state = KeyState::kDisabled}, an_event("DisableKey")), StoreError);
}

TEST(SqliteFiles, AnotherIdeaOfEqualityFindsNoCustomKeyStore) {
  SqliteFile database;
  const auto store = database.open();
  CustomKeyStoreRecord record;
  record.id = {"cks-0000000000000000a"};
  record.account = kAccount;
  record.name = "ours";
  record.xks_endpoint = "https://xks.example";
  ASSERT_EQ(store->create_custom_key_store(record, an_event("CreateCustomKeyStore")), Outcome::kDone);
  database.tamper("PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON; CREATE TABLE other(id TEXT COLLATE NOCASE, account TEXT, name "
                  "TEXT, type TEXT, created INTEGER, state TEXT, failure TEXT, xks_endpoint TEXT, xks_path TEXT, connectivity TEXT, "
                  "access_key_id TEXT, trusted_certificates TEXT, root_key TEXT, iv BLOB, ciphertext BLOB, tag BLOB, revision INTEGER, seal BLOB);"
                  "INSERT INTO other SELECT * FROM custom_key_stores; DROP TABLE custom_key_stores; ALTER TABLE other RENAME TO custom_key_stores;");
  const CustomKeyStoreId other{"CKS-0000000000000000A"};
  constexpr ConnectionState kDisconnectedOnly[] = {ConnectionState::kDisconnected};
  EXPECT_TRUE(store->find_custom_key_store(record.id));
  EXPECT_THROW((void)store->find_custom_key_store(other), StoreError);
  EXPECT_THROW((void)store->change_custom_key_store(other, kDisconnectedOnly, {.name = "x"}, an_event("UpdateCustomKeyStore")), StoreError);
  EXPECT_THROW((void)store->delete_custom_key_store(other, an_event("DeleteCustomKeyStore")), StoreError);
}

TEST(SqliteFiles, AreForTheirOwnerOnly) {
  SqliteFile database;
  const auto store = database.open();
  for (const char* suffix : {"", "-wal", "-shm"}) {
    EXPECT_EQ(std::filesystem::status(database.file() + suffix).permissions() & std::filesystem::perms(0077), std::filesystem::perms::none)
        << suffix;
  }
}

TEST(StoreAddress, OthersAreRefused) {
  MemoryRootKeys keys{"root-1"};
  KeyWrapping wrapping(keys, "root-1");
  for (const char* url : {"", "sqlite:", "keys.db", "mysql://x", "sqlite:/nowhere/at/all/keys.db", "postgresql://nobody@127.0.0.1:1/none"}) {
    EXPECT_THROW((void)open_store({.url = url, .patience = std::chrono::milliseconds(50)}, wrapping), StoreError) << url;
    EXPECT_THROW((void)open_store_to_read({.url = url, .patience = std::chrono::milliseconds(50)})->ping(), StoreError) << url;
  }
}

TEST(PostgresqlStore, HoldsEveryScenario) {
  std::string why_not;
  const auto server = PostgresqlServer::start(why_not);
  if (!server) GTEST_SKIP() << why_not;
  int number = 0;
  for (const Scenario& scenario : all_scenarios()) {
    SCOPED_TRACE(scenario.name);
    PostgresqlTestDatabase database(*server, "scenario" + std::to_string(++number));
    scenario.run(database);
  }
}

}  // namespace
}  // namespace kms
