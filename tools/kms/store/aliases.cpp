#include <algorithm>

#include "tools/kms/store/sql_store.hpp"

namespace kms {
namespace {

using sql::Connection;

std::optional<AliasRecord> lock_alias(Connection& connection, std::string_view account, std::string_view name, ByteView key) {
  const auto found = connection.run(
      "SELECT account, name, target, created, updated, seal FROM aliases WHERE account = $1 AND name = $2 FOR UPDATE",
      {value_of(account), value_of(name)});
  if (found.rows.empty()) return std::nullopt;
  RowReader row(found.rows[0], std::string(name));
  return alias_of(row, key);
}

}  // namespace

Outcome SqlStore::lock_basis(Connection& connection, const AliasBasis& basis) const {
  std::vector<KeyAsRead> keys;
  if (basis.before) keys.push_back(*basis.before);
  if (basis.target) keys.push_back(*basis.target);
  // In one order everywhere, so that two that exchange aliases don't wait for each other.
  std::ranges::sort(keys, {}, &KeyAsRead::id);
  for (const KeyAsRead& read : keys) {
    const std::optional<KeyRecord> key = lock_key(connection, read.id);
    if (!key || key->revision != read.revision) return Outcome::kConflict;
  }
  return Outcome::kDone;
}

Outcome SqlStore::create_alias(const AliasRecord& alias, const AliasBasis& basis, const AuditEvent& event) {
  check_text(alias.name);
  return write([&](Connection& connection, std::vector<AuditEvent>& events) {
    if (const Outcome held = lock_basis(connection, basis); held != Outcome::kDone) return held;
    if (!lock_key(connection, alias.target)) return Outcome::kNotFound;
    const auto inserted = connection.run(
        "INSERT INTO aliases(account, name, target, created, updated, seal) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        {alias.account, alias.name, alias.target.text, value_of(alias.created), value_of(alias.updated),
         value_of(seal_of(alias, key_.view()))});
    if (inserted.changed == 0) return Outcome::kAlreadyExists;
    events.push_back(event);
    return Outcome::kDone;
  });
}

Outcome SqlStore::change_alias(const AliasRecord& alias, const AliasBasis& basis, const AuditEvent& event) {
  return write([&](Connection& connection, std::vector<AuditEvent>& events) {
    if (const Outcome held = lock_basis(connection, basis); held != Outcome::kDone) return held;
    if (!lock_key(connection, alias.target)) return Outcome::kNotFound;
    std::optional<AliasRecord> changed = lock_alias(connection, alias.account, alias.name, key_.view());
    if (!changed) return Outcome::kNotFound;
    if (basis.before && changed->target != basis.before->id) return Outcome::kConflict;
    changed->target = alias.target;
    changed->updated = alias.updated;
    (void)connection.run("UPDATE aliases SET target = $3, updated = $4, seal = $5 WHERE account = $1 AND name = $2",
                         {changed->account, changed->name, changed->target.text, value_of(changed->updated),
                          value_of(seal_of(*changed, key_.view()))});
    events.push_back(event);
    return Outcome::kDone;
  });
}

Outcome SqlStore::delete_alias(std::string_view account, std::string_view name, const AliasBasis& basis, const AuditEvent& event) {
  return write([&](Connection& connection, std::vector<AuditEvent>& events) {
    if (const Outcome held = lock_basis(connection, basis); held != Outcome::kDone) return held;
    const std::optional<AliasRecord> alias = lock_alias(connection, account, name, key_.view());
    if (!alias) return Outcome::kNotFound;
    if (basis.before && alias->target != basis.before->id) return Outcome::kConflict;
    (void)connection.run("DELETE FROM aliases WHERE account = $1 AND name = $2", {value_of(account), value_of(name)});
    events.push_back(event);
    return Outcome::kDone;
  });
}

Page<AliasRecord> SqlStore::list_aliases(std::string_view account, const std::optional<KeyId>& key, std::string_view after,
                                         std::size_t limit) {
  const auto answer =
      key ? read("SELECT account, name, target, created, updated, seal FROM aliases "
                 "WHERE account = $1 AND name > $2 AND target = $4 ORDER BY name LIMIT $3",
                 {value_of(account), value_of(after), page_limit(limit), key->text})
          : read("SELECT account, name, target, created, updated, seal FROM aliases "
                 "WHERE account = $1 AND name > $2 ORDER BY name LIMIT $3",
                 {value_of(account), value_of(after), page_limit(limit)});
  std::vector<AliasRecord> aliases;
  for (const sql::Row& columns : answer.rows) {
    RowReader row(columns, "an alias");
    aliases.push_back(alias_of(row, key_.view()));
  }
  return page_of(std::move(aliases), page_limit(limit));
}

}  // namespace kms
