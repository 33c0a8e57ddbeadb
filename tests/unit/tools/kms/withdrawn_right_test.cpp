// A right that is withdrawn while a change is under way: after the service has read the policy and before the store's lock. The
// change is decided anew, by the policy that is there when it is made.
#include <gtest/gtest.h>

#include "tests/unit/tools/kms/store/scenarios.hpp"
#include "tools/kms/audit_log.hpp"
#include "tools/kms/service.hpp"
#include "tools/kms/store/sql.hpp"
#include "tools/sigv4/sigv4.hpp"

namespace kms {
namespace {

constexpr std::int64_t kTime = 1'700'000'000;
const sigv4::Credential kHolder{"AKIAENCLAVEHOSTAAAAA", "secret-of-the-enclave-host-0000000000000", ""};
const sigv4::Credential kAdministrator{"AKIAADMINISTRATORAAA", "secret-of-the-administrator-000000000000", ""};
const std::string kAdministratorAlone = R"({"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:user/administrator"}, "Action": "kms:*", "Resource": "*"}]})";
const std::string kBoth = R"({"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::111122223333:user/administrator", "arn:aws:iam::111122223333:user/host"]},
   "Action": "kms:*", "Resource": "*"}]})";

class NoProxy final : public ExternalKeys {
 public:
  void check_health(const ProxyAccess&, const ProxyRequest&) override { refuse(); }
  void check_key(const ProxyAccess&, const std::string&, const ProxyRequest&) override { refuse(); }
  ExternalCiphertext encrypt(const ProxyAccess&, const std::string&, ByteView, ByteView, const ProxyRequest&) override { refuse(); }
  cryptography::SecretBytes decrypt(const ProxyAccess&, const std::string&, ByteView, const ExternalCiphertext&,
                                    const ProxyRequest&) override {
    refuse();
  }

 private:
  [[noreturn]] static void refuse() { throw std::logic_error("there is no proxy in this test"); }
};

// One instance of the service; several of them share a store.
struct Instance {
  explicit Instance(TestDatabase& database)
      : store(database.open()), wrapping(database.root_keys, "root-1"),
        parts{{.region = "us-east-1", .account = "111122223333"}, true, "", [] { return Time(std::chrono::seconds(kTime)); }, *store,
              wrapping, recipients, no_proxy, {}} {
    cofferdam::write_private_file(folder.path() + "/principals.json", cofferdam::as_bytes(R"({"principals": [
      {"arn": "arn:aws:iam::111122223333:user/host", "keys": [
        {"access_key_id": "AKIAENCLAVEHOSTAAAAA", "secret": "secret-of-the-enclave-host-0000000000000"}]},
      {"arn": "arn:aws:iam::111122223333:user/administrator", "permissions": ["kms:*"], "keys": [
        {"access_key_id": "AKIAADMINISTRATORAAA", "secret": "secret-of-the-administrator-000000000000"}]}]})"));
    principals = std::make_unique<Principals>(folder.path() + "/principals.json");
    service = std::make_unique<Service>(parts, *principals);
  }
  Json ask(const sigv4::Credential& who, const std::string& operation, const Json& body) {
    https::Request request{.method = "POST", .target = "/", .headers = {{"Host", "localhost"}}, .body = body.dump()};
    request.headers.emplace_back("X-Amz-Target", "TrentService." + operation);
    sigv4::sign(request, who, {"us-east-1", "kms"}, kTime);
    const https::Response response = service->answer(request);
    return response.body.empty() ? Json::object() : Json::parse(response.body);
  }
  // AWS's name of the refusal; empty: it was done.
  std::string refusal(const sigv4::Credential& who, const std::string& operation, const Json& body) {
    return ask(who, operation, body).value("__type", "");
  }
  std::string new_key(const std::string& policy) {
    return ask(kAdministrator, "CreateKey", {{"Policy", policy}}).at("KeyMetadata").at("KeyId").get<std::string>();
  }
  std::string target_of(const std::string& alias) {
    return ask(kAdministrator, "DescribeKey", {{"KeyId", alias}}).at("KeyMetadata").at("KeyId").get<std::string>();
  }
  void put_policy(const std::string& key, const std::string& policy) {
    EXPECT_EQ(refusal(kAdministrator, "PutKeyPolicy", {{"KeyId", key}, {"PolicyName", "default"}, {"Policy", policy}}), "");
  }

  ScratchFolder folder{ScratchFolder::On::kMemory};
  std::unique_ptr<Store> store;
  KeyWrapping wrapping;
  Recipients recipients{RecipientOptions{}};
  NoProxy no_proxy;
  Parts parts;
  std::unique_ptr<Principals> principals;
  std::unique_ptr<Service> service;
};

// Runs `meanwhile` before the next writes of anybody take their lock, `times` times.
class BeforeTheLock {
 public:
  explicit BeforeTheLock(std::function<void()> meanwhile, int times = 1) {
    sql::statement_hook() = [this, meanwhile = std::move(meanwhile), times](std::string_view statement) {
      if (inside_ || ran_ >= times || !statement.starts_with("BEGIN")) return;
      inside_ = true;
      ++ran_;
      meanwhile();
      inside_ = false;
    };
  }
  ~BeforeTheLock() { sql::statement_hook() = nullptr; }
  BeforeTheLock(const BeforeTheLock&) = delete;
  BeforeTheLock& operator=(const BeforeTheLock&) = delete;
  [[nodiscard]] int ran() const { return ran_; }

 private:
  bool inside_{false};
  int ran_{0};
};

void a_change_of_a_key_is_refused(TestDatabase& database) {
  Instance here(database), elsewhere(database);
  const std::string mine = R"({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:user/host"}, "Action": "kms:*", "Resource": "*"}]})";
  for (const auto& [operation, more] : std::initializer_list<std::pair<std::string, Json>>{
           {"PutKeyPolicy", {{"PolicyName", "default"}, {"Policy", mine}}},
           {"DisableKey", Json::object()},
           {"EnableKey", Json::object()},
           {"UpdateKeyDescription", {{"Description", "mine"}}},
           {"ScheduleKeyDeletion", {{"PendingWindowInDays", 7}}}}) {
    SCOPED_TRACE(operation);
    const std::string key = here.new_key(kBoth);
    Json body = more;
    body["KeyId"] = key;
    const BeforeTheLock withdrawn([&] { elsewhere.put_policy(key, kAdministratorAlone); });
    EXPECT_EQ(here.refusal(kHolder, operation, body), "AccessDeniedException");
    const auto kept = here.store->find_key({key});
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->policy, kAdministratorAlone);
    EXPECT_EQ(kept->state, KeyState::kEnabled);
    EXPECT_EQ(kept->description, "");
    const auto log = here.store->read_audit(0, 1000);
    EXPECT_EQ(log.back().event.operation, operation);
    EXPECT_EQ(log.back().event.outcome, "AccessDeniedException");
  }
}

void a_change_of_an_alias_is_refused(TestDatabase& database) {
  Instance here(database), elsewhere(database);
  const std::string one = here.new_key(kBoth), two = here.new_key(kBoth), theirs = here.new_key(kAdministratorAlone);
  const Json alias = {{"AliasName", "alias/weights"}};
  const auto to = [&](const std::string& key) { return Json{{"AliasName", "alias/weights"}, {"TargetKeyId", key}}; };
  {
    const BeforeTheLock withdrawn([&] { elsewhere.put_policy(one, kAdministratorAlone); });
    EXPECT_EQ(here.refusal(kHolder, "CreateAlias", to(one)), "AccessDeniedException");
  }
  EXPECT_EQ(here.refusal(kHolder, "DescribeKey", {{"KeyId", "alias/weights"}}), "NotFoundException");
  here.put_policy(one, kBoth);
  ASSERT_EQ(here.refusal(kHolder, "CreateAlias", to(one)), "");
  // Either key's policy may say no.
  for (const std::string& key : {one, two}) {
    const BeforeTheLock withdrawn([&] { elsewhere.put_policy(key, kAdministratorAlone); });
    EXPECT_EQ(here.refusal(kHolder, "UpdateAlias", to(two)), "AccessDeniedException");
    here.put_policy(key, kBoth);
  }
  {
    const BeforeTheLock withdrawn([&] { elsewhere.put_policy(one, kAdministratorAlone); });
    EXPECT_EQ(here.refusal(kHolder, "DeleteAlias", alias), "AccessDeniedException");
    here.put_policy(one, kBoth);
  }
  EXPECT_EQ(here.target_of("alias/weights"), one);
  // The alias itself moves: to a key of which the user may have nothing.
  for (const auto& [operation, body] : {std::pair{"UpdateAlias", to(two)}, std::pair{"DeleteAlias", alias}}) {
    const BeforeTheLock moved([&] { EXPECT_EQ(elsewhere.refusal(kAdministrator, "UpdateAlias", to(theirs)), ""); });
    EXPECT_EQ(here.refusal(kHolder, operation, body), "AccessDeniedException");
    EXPECT_EQ(here.target_of("alias/weights"), theirs);
    EXPECT_EQ(here.refusal(kAdministrator, "UpdateAlias", to(one)), "");
  }
}

void what_is_still_allowed_is_done(TestDatabase& database) {
  Instance here(database), elsewhere(database);
  const std::string key = here.new_key(kBoth);
  const BeforeTheLock described([&] {
    EXPECT_EQ(elsewhere.refusal(kAdministrator, "UpdateKeyDescription", {{"KeyId", key}, {"Description", "another"}}), "");
  });
  EXPECT_EQ(here.refusal(kHolder, "DisableKey", {{"KeyId", key}}), "");
  const auto kept = here.store->find_key({key});
  EXPECT_EQ(kept->state, KeyState::kDisabled);
  EXPECT_EQ(kept->description, "another") << "neither change is lost";
}

void who_never_comes_through_is_told_so(TestDatabase& database) {
  Instance here(database), elsewhere(database);
  const std::string key = here.new_key(kBoth);
  int changes = 0;
  const BeforeTheLock described([&] {
    // Also before the entry of the refusal: then it changes nothing any more.
    EXPECT_EQ(elsewhere.refusal(kAdministrator, "UpdateKeyDescription", {{"KeyId", key}, {"Description", std::to_string(++changes)}}), "");
  }, 1000);
  EXPECT_EQ(here.refusal(kHolder, "DisableKey", {{"KeyId", key}}), "KMSInternalException");
  EXPECT_LT(changes, 20);
  EXPECT_EQ(here.store->find_key({key})->state, KeyState::kEnabled);
  const auto log = here.store->read_audit(0, 1000);
  EXPECT_EQ(log.back().event.operation, "DisableKey");
  EXPECT_EQ(log.back().event.outcome, "KMSInternalException");
}

constexpr Scenario kScenarios[] = {
    {"AChangeOfAKeyIsRefused", a_change_of_a_key_is_refused},
    {"AChangeOfAnAliasIsRefused", a_change_of_an_alias_is_refused},
    {"WhatIsStillAllowedIsDone", what_is_still_allowed_is_done},
    {"WhoNeverComesThroughIsToldSo", who_never_comes_through_is_told_so},
};

TEST(WithdrawnRight, OnSqlite) {
  for (const Scenario& scenario : kScenarios) {
    SCOPED_TRACE(scenario.name);
    SqliteFile database;
    scenario.run(database);
  }
}

TEST(WithdrawnRight, OnPostgresql) {
  std::string why_not;
  const auto server = PostgresqlServer::start(why_not);
  if (!server) GTEST_SKIP() << why_not;
  int number = 0;
  for (const Scenario& scenario : kScenarios) {
    SCOPED_TRACE(scenario.name);
    PostgresqlTestDatabase database(*server, "withdrawn" + std::to_string(++number));
    scenario.run(database);
  }
}

}  // namespace
}  // namespace kms
