#include "tools/kms/store/sql_store.hpp"

namespace kms {

using sql::Connection;

Outcome SqlStore::create_alias(const AliasRecord& alias, const AuditEvent& event) {
  check_text(alias.name);
  return write([&](Connection& connection, std::vector<AuditEvent>& events) {
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

Outcome SqlStore::change_alias(const AliasRecord& alias, const AuditEvent& event) {
  return write([&](Connection& connection, std::vector<AuditEvent>& events) {
    if (!lock_key(connection, alias.target)) return Outcome::kNotFound;
    const auto found = connection.run(
        "SELECT account, name, target, created, updated, seal FROM aliases WHERE account = $1 AND name = $2 FOR UPDATE",
        {alias.account, alias.name});
    if (found.rows.empty()) return Outcome::kNotFound;
    RowReader row(found.rows[0], alias.name);
    AliasRecord changed = alias_of(row, key_.view());
    changed.target = alias.target;
    changed.updated = alias.updated;
    (void)connection.run("UPDATE aliases SET target = $3, updated = $4, seal = $5 WHERE account = $1 AND name = $2",
                         {changed.account, changed.name, changed.target.text, value_of(changed.updated),
                          value_of(seal_of(changed, key_.view()))});
    events.push_back(event);
    return Outcome::kDone;
  });
}

Outcome SqlStore::delete_alias(std::string_view account, std::string_view name, const AuditEvent& event) {
  return write([&](Connection& connection, std::vector<AuditEvent>& events) {
    const auto deleted = connection.run("DELETE FROM aliases WHERE account = $1 AND name = $2", {value_of(account), value_of(name)});
    if (deleted.changed == 0) return Outcome::kNotFound;
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
