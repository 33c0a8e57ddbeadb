// Rotation of the root key: what is wrapped by another one, and its replacement.
#include "tools/kms/key_wrapping.hpp"
#include "tools/kms/store/sql_store.hpp"

namespace kms {

using sql::Connection;

std::vector<WrappedItem> SqlStore::wrapped_by_others(std::string_view root_key, std::size_t limit) {
  const auto answer = read(
      "SELECT 'key material' AS purpose, key AS id, version, root_key, iv, ciphertext, tag FROM key_material WHERE root_key <> $1 "
      "UNION ALL SELECT 'proxy credential', id, 1, root_key, iv, ciphertext, tag FROM custom_key_stores WHERE root_key <> $1 "
      "UNION ALL SELECT 'store key', name, version, root_key, iv, ciphertext, tag FROM store_keys WHERE root_key <> $1 LIMIT $2",
      {value_of(root_key), page_limit(limit) - 1});
  std::vector<WrappedItem> items;
  for (const sql::Row& columns : answer.rows) {
    RowReader row(columns, "a wrapped key");
    WrappedItem item;
    item.purpose = row.text();
    item.id = row.text();
    item.version = static_cast<std::uint32_t>(row.number());
    item.wrapped = wrapped_of(row);
    items.push_back(std::move(item));
  }
  return items;
}

Outcome SqlStore::replace_wrapped(const WrappedItem& old, const WrappedSecret& replacement, const AuditEvent& event) {
  std::string_view statement;
  if (old.purpose == text_of(Purpose::kKeyMaterial)) {
    statement = "UPDATE key_material SET root_key = $3, iv = $4, ciphertext = $5, tag = $6 "
                "WHERE key = $1 AND version = $2 AND root_key = $7 AND iv = $8 AND tag = $9";
  } else if (old.purpose == text_of(Purpose::kProxyCredential)) {
    statement = "UPDATE custom_key_stores SET root_key = $3, iv = $4, ciphertext = $5, tag = $6 "
                "WHERE id = $1 AND $2 = CAST(1 AS BIGINT) AND root_key = $7 AND iv = $8 AND tag = $9";
  } else {
    statement = "UPDATE store_keys SET root_key = $3, iv = $4, ciphertext = $5, tag = $6 "
                "WHERE name = $1 AND version = $2 AND root_key = $7 AND iv = $8 AND tag = $9";
  }
  return write([&](Connection& connection, std::vector<AuditEvent>& events) {
    const auto updated = connection.run(
        statement, {old.id, std::int64_t{old.version}, replacement.root_key, replacement.iv, replacement.ciphertext,
                    replacement.tag, old.wrapped.root_key, old.wrapped.iv, old.wrapped.tag});
    if (updated.changed == 0) return Outcome::kConflict;
    events.push_back(event);
    return Outcome::kDone;
  });
}

std::size_t rewrap(Store& store, KeyWrapping& wrapping, std::string_view principal, std::string_view request) {
  constexpr std::size_t kBatch = 100;
  std::size_t done = 0;
  for (;;) {
    const auto items = store.wrapped_by_others(wrapping.root_key(), kBatch);
    if (items.empty()) return done;
    for (const WrappedItem& item : items) {
      const Purpose purpose = item.purpose == text_of(Purpose::kKeyMaterial)       ? Purpose::kKeyMaterial
                              : item.purpose == text_of(Purpose::kProxyCredential) ? Purpose::kProxyCredential
                                                                                   : Purpose::kStoreKey;
      const cryptography::SecretBytes secret = wrapping.unwrap(purpose, item.id, item.version, item.wrapped);
      const WrappedSecret replacement = wrapping.wrap(purpose, item.id, item.version, secret.view());
      const AuditEvent event{.principal = std::string(principal),
                             .operation = "RewrapKey",
                             .key = item.id,
                             .outcome = "Success",
                             .request = std::string(request),
                             .detail = item.purpose + " from " + item.wrapped.root_key + " to " + replacement.root_key};
      // kConflict: deleted or rewrapped by somebody else meanwhile. The next look at the list shows what is left.
      if (store.replace_wrapped(item, replacement, event) == Outcome::kDone) ++done;
    }
  }
}

}  // namespace kms
