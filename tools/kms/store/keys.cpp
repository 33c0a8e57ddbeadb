#include <algorithm>

#include "tools/kms/store/sql_store.hpp"

namespace kms {
namespace {

using sql::Connection;

constexpr std::string_view kLockKey =
    "SELECT id, account, created, description, key_spec, key_usage, origin, state, deletion, policy, custom_key_store, xks_key, "
    "public_key, revision, seal FROM keys WHERE id = $1 FOR UPDATE";
constexpr std::string_view kFindKey =
    "SELECT k.id, k.account, k.created, k.description, k.key_spec, k.key_usage, k.origin, k.state, k.deletion, k.policy, "
    "k.custom_key_store, k.xks_key, k.public_key, k.revision, k.seal, m.version, m.root_key, m.iv, m.ciphertext, m.tag "
    "FROM keys k LEFT JOIN key_material m ON m.key = k.id WHERE k.id = $1 ORDER BY m.version";
constexpr std::string_view kFindKeyByAlias =
    "SELECT a.account, a.name, a.target, a.created, a.updated, a.seal, "
    "k.id, k.account, k.created, k.description, k.key_spec, k.key_usage, k.origin, k.state, k.deletion, k.policy, "
    "k.custom_key_store, k.xks_key, k.public_key, k.revision, k.seal, m.version, m.root_key, m.iv, m.ciphertext, m.tag "
    "FROM aliases a JOIN keys k ON k.id = a.target LEFT JOIN key_material m ON m.key = k.id "
    "WHERE a.account = $1 AND a.name = $2 ORDER BY m.version";
constexpr std::size_t kAliasColumns = 6;

void insert_material(Connection& connection, const KeyId& id, const KeyMaterial& material) {
  (void)connection.run("INSERT INTO key_material(key, version, root_key, iv, ciphertext, tag) VALUES ($1, $2, $3, $4, $5, $6)",
                       {id.text, std::int64_t{material.version}, material.wrapped.root_key, material.wrapped.iv,
                        material.wrapped.ciphertext, material.wrapped.tag});
}

}  // namespace

void check_text(std::string_view text) {
  if (text.find('\0') != text.npos || !cofferdam::is_valid_utf8(cofferdam::as_bytes(text))) {
    throw StoreError("a text for the key store is not UTF-8 or has a zero byte", "Refuse such requests before they come here");
  }
}

std::optional<KeyRecord> SqlStore::lock_key(Connection& connection, const KeyId& id) const {
  const auto answer = connection.run(kLockKey, {id.text});
  if (answer.rows.empty()) return std::nullopt;
  RowReader row(answer.rows[0], "key " + id.text);
  KeyRecord key = key_of(row, key_.view());
  if (key.id != id) row.altered();
  return key;
}

std::optional<KeyRecord> SqlStore::with_material(const std::vector<sql::Row>& rows, std::size_t skip) const {
  if (rows.empty()) return std::nullopt;
  std::optional<KeyRecord> key;
  for (const sql::Row& whole : rows) {
    const sql::Row columns(whole.begin() + static_cast<std::ptrdiff_t>(skip), whole.end());
    RowReader row(columns, "a key");
    KeyRecord read = key_of(row, key ? ByteView{} : key_.view());
    if (!key) key = std::move(read);
    if (auto material = material_of(row)) key->material.push_back(std::move(*material));
  }
  return key;
}

Outcome SqlStore::create_key(const KeyRecord& given, const AuditEvent& event) {
  check_text(given.description);
  check_text(given.policy);
  KeyRecord key = given;
  key.revision = 1;
  const auto seal = seal_of(key, key_.view());
  return write([&](Connection& connection, std::vector<AuditEvent>& events) {
    sql::Value custom_key_store;
    if (key.custom_key_store) {
      custom_key_store = key.custom_key_store->text;
      if (connection.run("SELECT id FROM custom_key_stores WHERE id = $1 FOR UPDATE", {custom_key_store}).rows.empty()) {
        return Outcome::kNotFound;
      }
      if (key.xks_key && !connection.run("SELECT id FROM keys WHERE custom_key_store = $1 AND xks_key = $2",
                                         {custom_key_store, *key.xks_key}).rows.empty()) {
        return Outcome::kInUse;
      }
    }
    const auto inserted = connection.run(
        "INSERT INTO keys(id, account, created, description, key_spec, key_usage, origin, state, deletion, policy, "
        "custom_key_store, xks_key, public_key, revision, seal) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING",
        {key.id.text, key.account, value_of(key.created), key.description, key.key_spec, key.key_usage,
         value_of(text_of(key.origin)), value_of(text_of(key.state)), value_of(key.deletion), key.policy, custom_key_store,
         value_of(key.xks_key), key.public_key, value_of(key.revision), value_of(seal)});
    if (inserted.changed == 0) return Outcome::kAlreadyExists;
    for (const KeyMaterial& material : key.material) insert_material(connection, key.id, material);
    events.push_back(event);
    return Outcome::kDone;
  });
}

std::optional<KeyRecord> SqlStore::find_key(const KeyId& id) {
  const auto answer = read(kFindKey, {id.text});
  auto key = with_material(answer.rows, 0);
  if (key && key->id != id) RowReader(answer.rows[0], "key " + id.text).altered();
  return key;
}

std::optional<KeyRecord> SqlStore::find_key_by_alias(std::string_view account, std::string_view alias) {
  const auto answer = read(kFindKeyByAlias, {value_of(account), value_of(alias)});
  if (answer.rows.empty()) return std::nullopt;
  RowReader row(answer.rows[0], "an alias");
  const AliasRecord found = alias_of(row, key_.view());
  auto key = with_material(answer.rows, kAliasColumns);
  // Seals say that records are ours, not that the database found the right ones: it may be told another idea of equality.
  if (found.account != account || found.name != alias || !key || key->id != found.target) row.altered();
  return key;
}

KeyAnswer SqlStore::change_key(const KeyId& id, std::span<const KeyState> only_if, const KeyChange& change,
                               const AuditEvent& event) {
  if (change.description) check_text(*change.description);
  if (change.policy) check_text(*change.policy);
  std::optional<KeyState> state;
  const Outcome outcome = write([&](Connection& connection, std::vector<AuditEvent>& events) {
    std::optional<KeyRecord> key = lock_key(connection, id);
    state = key ? std::optional(key->state) : std::nullopt;
    if (!key) return Outcome::kNotFound;
    if (change.only_revision && *change.only_revision != key->revision) return Outcome::kConflict;
    if (std::find(only_if.begin(), only_if.end(), key->state) == only_if.end()) return Outcome::kWrongState;
    if (change.state) key->state = *change.state;
    if (change.deletion) key->deletion = *change.deletion;
    if (key->state != KeyState::kPendingDeletion) key->deletion.reset();
    if (change.description) key->description = *change.description;
    if (change.policy) key->policy = *change.policy;
    ++key->revision;
    (void)connection.run(
        "UPDATE keys SET state = $2, deletion = $3, description = $4, policy = $5, revision = $6, seal = $7 WHERE id = $1",
        {id.text, value_of(text_of(key->state)), value_of(key->deletion), key->description, key->policy, value_of(key->revision),
         value_of(seal_of(*key, key_.view()))});
    state = key->state;
    events.push_back(event);
    return Outcome::kDone;
  });
  return {outcome, state};
}

Outcome SqlStore::add_material(const KeyId& id, const KeyMaterial& material, const AuditEvent& event) {
  return write([&](Connection& connection, std::vector<AuditEvent>& events) {
    if (!lock_key(connection, id)) return Outcome::kNotFound;
    const auto newest = connection.run("SELECT version FROM key_material WHERE key = $1 ORDER BY version DESC LIMIT 1", {id.text});
    const std::int64_t version = newest.rows.empty() ? 0 : RowReader(newest.rows[0], "key material").number();
    if (material.version != version + 1) return Outcome::kConflict;
    insert_material(connection, id, material);
    events.push_back(event);
    return Outcome::kDone;
  });
}

std::vector<KeyId> SqlStore::delete_due_keys(Time now, std::size_t limit) {
  std::vector<KeyId> deleted;
  (void)write([&](Connection& connection, std::vector<AuditEvent>& events) {
    deleted.clear();
    const auto due = connection.run(
        "SELECT id, account, created, description, key_spec, key_usage, origin, state, deletion, policy, custom_key_store, "
        "xks_key, public_key, revision, seal FROM keys WHERE deletion IS NOT NULL AND deletion <= $1 ORDER BY id LIMIT $2 FOR UPDATE",
        {value_of(now), page_limit(limit) - 1});
    for (const sql::Row& columns : due.rows) {
      RowReader row(columns, "a key whose deletion is due");
      const KeyRecord key = key_of(row, key_.view());
      // Aliases and material go with it (ON DELETE CASCADE).
      (void)connection.run("DELETE FROM keys WHERE id = $1", {key.id.text});
      events.push_back({.principal = "cofferdam-kms", .operation = "DeleteKey", .key = key.id.text, .outcome = "Success"});
      deleted.push_back(key.id);
    }
    return Outcome::kDone;
  });
  if (!deleted.empty()) database_->scrub();
  return deleted;
}

Page<KeyId> SqlStore::list_keys(std::string_view account, std::string_view after, std::size_t limit) {
  const auto answer = read("SELECT id FROM keys WHERE account = $1 AND id > $2 ORDER BY id LIMIT $3",
                           {value_of(account), value_of(after), page_limit(limit)});
  std::vector<KeyId> ids;
  for (const sql::Row& row : answer.rows) ids.push_back({RowReader(row, "a key").text()});
  return page_of(std::move(ids), page_limit(limit));
}

}  // namespace kms
