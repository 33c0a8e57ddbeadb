#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tools/kms/store/scenarios.hpp"
#include "tools/kms/audit_log.hpp"

namespace kms {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

constexpr KeyState kPendingOnly[] = {KeyState::kPendingDeletion};

std::size_t entries(Store& store) { return store.read_audit(0, 1000).size(); }

CustomKeyStoreRecord a_custom_key_store(TestDatabase& database, const std::string& id, const std::string& name,
                                        const std::string& endpoint = "https://xks.example") {
  KeyWrapping wrapping(database.root_keys, "root-1");
  CustomKeyStoreRecord record;
  record.id = {id};
  record.account = kAccount;
  record.name = name;
  record.created = database.now;
  record.xks_endpoint = endpoint;
  record.xks_path = "/kms/xks/v1";
  record.access_key_id = "AKIAEXAMPLE";
  record.secret_access_key = wrapping.wrap(Purpose::kProxyCredential, id, 1, cofferdam::as_bytes("a secret of the proxy"));
  return record;
}

void keys_are_kept_whole(TestDatabase& database) {
  KeyRecord key = a_key(database, id_of(1));
  key.public_key = {1, 2, 0, 255};
  {
    const auto store = database.open();
    EXPECT_EQ(store->create_key(key, an_event("CreateKey", key.id.text)), Outcome::kDone);
    EXPECT_EQ(store->create_key(key, an_event("CreateKey", key.id.text)), Outcome::kAlreadyExists);
    EXPECT_EQ(entries(*store), 1U) << "a refusal leaves nothing";
  }
  const auto store = database.open();
  key.revision = 1;
  EXPECT_EQ(store->find_key(key.id), key);
  EXPECT_EQ(store->find_key({id_of(2)}), std::nullopt);
  KeyWrapping wrapping(database.root_keys, "root-1");
  EXPECT_EQ(wrapping.unwrap_material(key.id, store->find_key(key.id)->material[0]).view()[0], 1);
}

void changes_hold_only_in_the_states_they_are_for(TestDatabase& database) {
  const auto store = database.open();
  const KeyId id{id_of(1)};
  ASSERT_EQ(store->create_key(a_key(database, id.text), an_event("CreateKey")), Outcome::kDone);
  const KeyAnswer disabled = store->change_key(id, kEnabledOnly, {.state = KeyState::kDisabled}, an_event("DisableKey"));
  EXPECT_EQ(disabled.outcome, Outcome::kDone);
  EXPECT_EQ(disabled.state, KeyState::kDisabled);
  const KeyAnswer refused = store->change_key(id, kEnabledOnly, {.policy = "{}"}, an_event("PutKeyPolicy"));
  EXPECT_EQ(refused.outcome, Outcome::kWrongState);
  EXPECT_EQ(refused.state, KeyState::kDisabled);
  const KeyAnswer absent = store->change_key({id_of(9)}, kEnabledOnly, {.policy = "{}"}, an_event("PutKeyPolicy"));
  EXPECT_EQ(absent.outcome, Outcome::kNotFound);
  EXPECT_EQ(absent.state, std::nullopt);
  const auto key = store->find_key(id);
  EXPECT_EQ(key->policy, a_key(database, id.text).policy);
  EXPECT_EQ(key->revision, 2U);
  EXPECT_EQ(entries(*store), 2U);
}

void keys_go_when_their_time_has_come(TestDatabase& database) {
  const auto store = database.open();
  for (int i = 1; i <= 3; ++i) {
    ASSERT_EQ(store->create_key(a_key(database, id_of(i)), an_event("CreateKey")), Outcome::kDone);
  }
  ASSERT_EQ(store->create_alias({kAccount, "alias/one", {id_of(1)}, database.now, database.now}, {}, an_event("CreateAlias")), Outcome::kDone);
  const Time due = database.now + std::chrono::hours(24 * 7);
  for (int i = 1; i <= 2; ++i) {
    EXPECT_EQ(store->change_key({id_of(i)}, kEnabledOnly, {.state = KeyState::kPendingDeletion, .deletion = due}, an_event("ScheduleKeyDeletion")).outcome,
              Outcome::kDone);
  }
  EXPECT_EQ(store->find_key({id_of(2)})->deletion, due);
  EXPECT_EQ(store->change_key({id_of(2)}, kPendingOnly, {.state = KeyState::kDisabled}, an_event("CancelKeyDeletion")).outcome, Outcome::kDone);
  EXPECT_EQ(store->find_key({id_of(2)})->deletion, std::nullopt);

  EXPECT_THAT(store->delete_due_keys(due - std::chrono::milliseconds(1), 100), IsEmpty());
  EXPECT_THAT(store->delete_due_keys(due, 100), ElementsAre(KeyId{id_of(1)}));
  EXPECT_EQ(store->find_key({id_of(1)}), std::nullopt);
  EXPECT_EQ(store->find_key_by_alias(kAccount, "alias/one"), std::nullopt);
  EXPECT_TRUE(store->find_key({id_of(2)}) && store->find_key({id_of(3)}));
  const auto log = store->read_audit(0, 1000);
  EXPECT_EQ(log.back().event.operation, "DeleteKey");
  EXPECT_EQ(log.back().event.key, id_of(1));
}

void lists_come_in_pages(TestDatabase& database) {
  const auto store = database.open();
  for (const int i : {5, 3, 1, 4, 2}) {
    ASSERT_EQ(store->create_key(a_key(database, id_of(i)), an_event("CreateKey")), Outcome::kDone);
    ASSERT_EQ(store->create_alias({kAccount, "alias/" + std::to_string(i), {id_of(i)}, database.now, database.now}, {}, an_event("CreateAlias")),
              Outcome::kDone);
  }
  KeyRecord foreign = a_key(database, id_of(6));
  foreign.account = "999999999999";
  ASSERT_EQ(store->create_key(foreign, an_event("CreateKey")), Outcome::kDone);
  std::vector<KeyId> all;
  std::string after;
  for (int pages = 0; pages < 9; ++pages) {
    const Page<KeyId> page = store->list_keys(kAccount, after, 2);
    all.insert(all.end(), page.records.begin(), page.records.end());
    if (!page.more) break;
    after = page.records.back().text;
  }
  EXPECT_THAT(all, ElementsAre(KeyId{id_of(1)}, KeyId{id_of(2)}, KeyId{id_of(3)}, KeyId{id_of(4)}, KeyId{id_of(5)}));
  EXPECT_FALSE(store->list_keys(kAccount, "", 5).more);
  EXPECT_EQ(store->list_aliases(kAccount, std::nullopt, "alias/3", 10).records.size(), 2U);
  EXPECT_EQ(store->list_aliases(kAccount, KeyId{id_of(4)}, "", 10).records.at(0).name, "alias/4");
}

void aliases_point_to_keys(TestDatabase& database) {
  const auto store = database.open();
  for (int i = 1; i <= 2; ++i) ASSERT_EQ(store->create_key(a_key(database, id_of(i)), an_event("CreateKey")), Outcome::kDone);
  AliasRecord alias{kAccount, "alias/weights", {id_of(1)}, database.now, database.now};
  EXPECT_EQ(store->change_alias(alias, {}, an_event("UpdateAlias")), Outcome::kNotFound);
  EXPECT_EQ(store->create_alias({kAccount, "alias/x", {id_of(7)}, database.now, database.now}, {}, an_event("CreateAlias")), Outcome::kNotFound);
  EXPECT_EQ(store->create_alias(alias, {}, an_event("CreateAlias")), Outcome::kDone);
  EXPECT_EQ(store->create_alias(alias, {}, an_event("CreateAlias")), Outcome::kAlreadyExists);
  EXPECT_EQ(store->find_key_by_alias(kAccount, alias.name)->id.text, id_of(1));
  EXPECT_EQ(store->find_key_by_alias("999999999999", alias.name), std::nullopt);
  alias.target = {id_of(2)};
  EXPECT_EQ(store->change_alias(alias, {}, an_event("UpdateAlias")), Outcome::kDone);
  EXPECT_EQ(store->find_key_by_alias(kAccount, alias.name)->id.text, id_of(2));
  EXPECT_EQ(store->delete_alias(kAccount, alias.name, {}, an_event("DeleteAlias")), Outcome::kDone);
  EXPECT_EQ(store->delete_alias(kAccount, alias.name, {}, an_event("DeleteAlias")), Outcome::kNotFound);
}

void custom_key_stores_hold_external_keys(TestDatabase& database) {
  const auto store = database.open();
  CustomKeyStoreRecord record = a_custom_key_store(database, "cks-00000000000000001", "ours");
  const CustomKeyStoreRecord same_name = a_custom_key_store(database, "cks-00000000000000002", "ours");
  EXPECT_EQ(store->create_custom_key_store(record, an_event("CreateCustomKeyStore")), Outcome::kDone);
  EXPECT_EQ(store->create_custom_key_store(same_name, an_event("CreateCustomKeyStore")), Outcome::kAlreadyExists);
  record.revision = 1;
  EXPECT_EQ(store->find_custom_key_store(record.id), record);

  KeyRecord key = a_key(database, id_of(1));
  key.origin = KeyOrigin::kExternalKeyStore;
  key.material.clear();
  key.custom_key_store = CustomKeyStoreId{"cks-99999999999999999"};
  key.xks_key = "bb8562717f809024";
  EXPECT_EQ(store->create_key(key, an_event("CreateKey")), Outcome::kNotFound);
  key.custom_key_store = record.id;
  EXPECT_EQ(store->create_key(key, an_event("CreateKey")), Outcome::kDone);
  KeyRecord second = key;
  second.id = {id_of(2)};
  EXPECT_EQ(store->create_key(second, an_event("CreateKey")), Outcome::kInUse) << "one external key, one key";

  constexpr ConnectionState kDisconnectedOnly[] = {ConnectionState::kDisconnected};
  EXPECT_EQ(store->change_custom_key_store(record.id, kDisconnectedOnly, {.state = ConnectionState::kConnected}, an_event("Connect")), Outcome::kDone);
  EXPECT_EQ(store->change_custom_key_store(record.id, kDisconnectedOnly, {.name = "new"}, an_event("Update")), Outcome::kWrongState);
  EXPECT_EQ(store->delete_custom_key_store(record.id, an_event("Delete")), Outcome::kInUse);
  EXPECT_EQ(store->find_custom_key_store(record.id)->state, ConnectionState::kConnected);
  EXPECT_EQ(store->list_custom_key_stores(kAccount, "", 10).records.size(), 1U);
}

void a_proxy_is_of_one_custom_key_store(TestDatabase& database) {
  const auto store = database.open();
  const CustomKeyStoreId first{"cks-00000000000000001"}, second{"cks-00000000000000002"};
  const auto create = [&](const CustomKeyStoreId& id, const std::string& name, const std::string& endpoint) {
    return store->create_custom_key_store(a_custom_key_store(database, id.text, name, endpoint), an_event("CreateCustomKeyStore"));
  };
  EXPECT_EQ(create(first, "ours", "https://xks.example"), Outcome::kDone);
  for (const char* same : {"https://xks.example", "https://XKS.example", "https://xks.example:443", "https://Xks.Example:0443"}) {
    EXPECT_EQ(create(second, "theirs", same), Outcome::kInUse) << same;
  }
  EXPECT_EQ(store->find_custom_key_store(second), std::nullopt);
  EXPECT_EQ(create(second, "theirs", "https://xks.example:8443"), Outcome::kDone);
  constexpr ConnectionState kDisconnectedOnly[] = {ConnectionState::kDisconnected};
  const auto change = [&](const CustomKeyStoreChange& wanted) {
    return store->change_custom_key_store(second, kDisconnectedOnly, wanted, an_event("UpdateCustomKeyStore"));
  };
  EXPECT_EQ(change({.xks_endpoint = "https://xks.EXAMPLE:443"}), Outcome::kInUse);
  EXPECT_EQ(store->find_custom_key_store(second)->xks_endpoint, "https://xks.example:8443");
  EXPECT_EQ(change({.xks_endpoint = "https://xks.example", .xks_path = "/theirs/kms/xks/v1"}), Outcome::kDone);
  EXPECT_EQ(change({.xks_path = "/kms/xks/v1"}), Outcome::kInUse);
  EXPECT_EQ(change({.xks_endpoint = "https://xks.example:443"}), Outcome::kDone) << "its own URI, written otherwise";
}

// Wrapped material that was put into another row doesn't open, and a record that was written by another hand isn't believed.
void what_another_hand_wrote_is_refused(TestDatabase& database) {
  const auto store = database.open();
  for (int i = 1; i <= 2; ++i) {
    ASSERT_EQ(store->create_key(a_key(database, id_of(i), static_cast<std::uint8_t>(i)), an_event("CreateKey")), Outcome::kDone);
  }
  ASSERT_EQ(store->create_alias({kAccount, "alias/a", {id_of(1)}, database.now, database.now}, {}, an_event("CreateAlias")), Outcome::kDone);
  database.tamper("UPDATE aliases SET target = '" + id_of(2) + "'");
  EXPECT_THROW((void)store->find_key_by_alias(kAccount, "alias/a"), StoreError);
  database.tamper("UPDATE key_material SET iv = (SELECT o.iv FROM key_material o WHERE o.key = '" + id_of(2) +
                  "'), ciphertext = (SELECT o.ciphertext FROM key_material o WHERE o.key = '" + id_of(2) +
                  "'), tag = (SELECT o.tag FROM key_material o WHERE o.key = '" + id_of(2) + "') WHERE key = '" + id_of(1) + "'");
  KeyWrapping wrapping(database.root_keys, "root-1");
  const KeyRecord swapped = *store->find_key({id_of(1)});
  EXPECT_THROW((void)wrapping.unwrap_material(swapped.id, swapped.material[0]), WrappingError);
  const KeyRecord untouched = *store->find_key({id_of(2)});
  EXPECT_EQ(wrapping.unwrap_material(untouched.id, untouched.material[0]).view()[0], 2);

  database.tamper("UPDATE keys SET policy = '{\"Statement\":[{\"Effect\":\"Allow\"}]}' WHERE id = '" + id_of(2) + "'");
  EXPECT_THAT([&] { (void)store->find_key({id_of(2)}); }, ThrowsMessage<StoreError>(HasSubstr("altered")));
  EXPECT_THROW((void)store->change_key({id_of(2)}, kEnabledOnly, {.description = "x"}, an_event("UpdateKeyDescription")), StoreError)
      << "an alteration must not be sealed";
}

void root_keys_are_rotated(TestDatabase& database) {
  auto store = database.open();
  for (int i = 1; i <= 3; ++i) ASSERT_EQ(store->create_key(a_key(database, id_of(i)), an_event("CreateKey")), Outcome::kDone);
  ASSERT_EQ(store->create_custom_key_store(a_custom_key_store(database, "cks-00000000000000001", "ours"), an_event("Create")), Outcome::kDone);
  KeyWrapping wrapping(database.root_keys, "root-2");
  EXPECT_EQ(rewrap(*store, wrapping, "operator", "request"), 5U) << "three keys, one credential, the log's key";
  EXPECT_EQ(rewrap(*store, wrapping, "operator", "request"), 0U);
  EXPECT_THAT(store->wrapped_by_others("root-2", 100), IsEmpty());
  database.root_keys.remove("root-1");
  store = database.open("root-2");
  const KeyRecord key = *store->find_key({id_of(2)});
  EXPECT_EQ(wrapping.unwrap_material(key.id, key.material[0]).view()[0], 1);
  const auto credential = *store->find_custom_key_store({"cks-00000000000000001"});
  EXPECT_EQ(cofferdam::as_text(wrapping.unwrap(Purpose::kProxyCredential, credential.id.text, 1, credential.secret_access_key).view()),
            "a secret of the proxy");
  EXPECT_THAT(verify_audit_log(*store, store->log_key(), std::nullopt).findings, IsEmpty());
}

void material_has_versions(TestDatabase& database) {
  const auto store = database.open();
  const KeyId id{id_of(1)};
  ASSERT_EQ(store->create_key(a_key(database, id.text), an_event("CreateKey")), Outcome::kDone);
  KeyWrapping wrapping(database.root_keys, "root-1");
  const Bytes second(32, 2);
  EXPECT_EQ(store->add_material(id, wrapping.wrap_material(id, 3, second), an_event("RotateKeyOnDemand")), Outcome::kConflict);
  EXPECT_EQ(store->add_material(id, wrapping.wrap_material(id, 2, second), an_event("RotateKeyOnDemand")), Outcome::kDone);
  const auto key = store->find_key(id);
  ASSERT_EQ(key->material.size(), 2U);
  EXPECT_EQ(wrapping.unwrap_material(id, key->material[1]).view()[0], 2);
}

void opened_to_read_nothing_changes(TestDatabase& database) {
  { (void)database.open()->create_key(a_key(database, id_of(1)), an_event("CreateKey")); }
  const auto store = database.open_to_read();
  EXPECT_TRUE(store->find_key({id_of(1)}).has_value());
  EXPECT_THROW((void)store->create_key(a_key(database, id_of(2)), an_event("CreateKey")), StoreError);
  EXPECT_THROW((void)store->append_audit(an_event("Decrypt")), StoreError);
  EXPECT_EQ(entries(*store), 1U);
}

constexpr Scenario kRecordScenarios[] = {
    {"KeysAreKeptWhole", keys_are_kept_whole},
    {"ChangesHoldOnlyInTheStatesTheyAreFor", changes_hold_only_in_the_states_they_are_for},
    {"KeysGoWhenTheirTimeHasCome", keys_go_when_their_time_has_come},
    {"ListsComeInPages", lists_come_in_pages},
    {"AliasesPointToKeys", aliases_point_to_keys},
    {"CustomKeyStoresHoldExternalKeys", custom_key_stores_hold_external_keys},
    {"AProxyIsOfOneCustomKeyStore", a_proxy_is_of_one_custom_key_store},
    {"WhatAnotherHandWroteIsRefused", what_another_hand_wrote_is_refused},
    {"RootKeysAreRotated", root_keys_are_rotated},
    {"MaterialHasVersions", material_has_versions},
    {"OpenedToReadNothingChanges", opened_to_read_nothing_changes},
};

}  // namespace

std::span<const Scenario> record_scenarios() { return kRecordScenarios; }

}  // namespace kms
