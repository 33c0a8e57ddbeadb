#include <algorithm>

#include "tools/kms/store/sql_store.hpp"

namespace kms {
namespace {

using sql::Connection;

constexpr std::string_view kLock =
    "SELECT id, account, name, type, created, state, failure, xks_endpoint, xks_path, connectivity, access_key_id, "
    "trusted_certificates, root_key, iv, ciphertext, tag, revision, seal FROM custom_key_stores WHERE id = $1 FOR UPDATE";
constexpr std::string_view kFind =
    "SELECT id, account, name, type, created, state, failure, xks_endpoint, xks_path, connectivity, access_key_id, "
    "trusted_certificates, root_key, iv, ciphertext, tag, revision, seal FROM custom_key_stores WHERE id = $1";
constexpr std::string_view kList =
    "SELECT id, account, name, type, created, state, failure, xks_endpoint, xks_path, connectivity, access_key_id, "
    "trusted_certificates, root_key, iv, ciphertext, tag, revision, seal FROM custom_key_stores "
    "WHERE account = $1 AND id > $2 ORDER BY id LIMIT $3";

constexpr std::string_view kOthers =
    "SELECT id, account, name, type, created, state, failure, xks_endpoint, xks_path, connectivity, access_key_id, "
    "trusted_certificates, root_key, iv, ciphertext, tag, revision, seal FROM custom_key_stores WHERE account = $1 AND id <> $2";

std::optional<CustomKeyStoreRecord> first_of(const sql::Answer& answer, const CustomKeyStoreId& id, ByteView key) {
  if (answer.rows.empty()) return std::nullopt;
  RowReader row(answer.rows[0], "custom key store " + id.text);
  CustomKeyStoreRecord record = custom_key_store_of(row, key);
  if (record.id != id) row.altered();
  return record;
}

// One proxy has one URI, however it is written: hosts have no case, and 443 is the port of https.
std::string proxy_uri(const CustomKeyStoreRecord& record) {
  constexpr std::size_t kScheme = std::string_view("https://").size();
  std::string endpoint = record.xks_endpoint;
  for (char& c : endpoint) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  if (const std::size_t colon = endpoint.find(':', kScheme); colon != endpoint.npos) {
    std::string port = endpoint.substr(colon + 1);
    port.erase(0, port.find_first_not_of('0'));
    endpoint.resize(colon);
    if (port != "443") endpoint += ":" + port;
  }
  return endpoint + record.xks_path;
}

void check_texts(const CustomKeyStoreRecord& record) {
  for (const std::string* text : {&record.name, &record.failure, &record.xks_endpoint, &record.xks_path,
                                  &record.access_key_id, &record.trusted_certificates}) {
    check_text(*text);
  }
}

}  // namespace

// The log's head, which every transaction that writes locks last, is locked for it: nobody adds the same URI meanwhile.
bool SqlStore::others_have_uri(Connection& connection, const CustomKeyStoreRecord& record) const {
  (void)connection.run(kLockHead);
  const std::string uri = proxy_uri(record);
  const auto others = connection.run(kOthers, {record.account, record.id.text});
  return std::ranges::any_of(others.rows, [&](const sql::Row& columns) {
    RowReader row(columns, "a custom key store");
    return proxy_uri(custom_key_store_of(row, key_.view())) == uri;
  });
}

Outcome SqlStore::create_custom_key_store(const CustomKeyStoreRecord& given, const AuditEvent& event) {
  check_texts(given);
  CustomKeyStoreRecord record = given;
  record.revision = 1;
  return write([&](Connection& connection, std::vector<AuditEvent>& events) {
    const WrappedSecret& secret = record.secret_access_key;
    const auto inserted = connection.run(
        "INSERT INTO custom_key_stores(id, account, name, type, created, state, failure, xks_endpoint, xks_path, connectivity, "
        "access_key_id, trusted_certificates, root_key, iv, ciphertext, tag, revision, seal) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ON CONFLICT DO NOTHING",
        {record.id.text, record.account, record.name, record.type, value_of(record.created), value_of(text_of(record.state)),
         record.failure, record.xks_endpoint, record.xks_path, record.connectivity, record.access_key_id,
         record.trusted_certificates, secret.root_key, secret.iv, secret.ciphertext, secret.tag, value_of(record.revision),
         value_of(seal_of(record, key_.view()))});
    if (inserted.changed == 0) return Outcome::kAlreadyExists;
    if (others_have_uri(connection, record)) return Outcome::kInUse;
    events.push_back(event);
    return Outcome::kDone;
  });
}

std::optional<CustomKeyStoreRecord> SqlStore::find_custom_key_store(const CustomKeyStoreId& id) {
  return first_of(read(kFind, {id.text}), id, key_.view());
}

Outcome SqlStore::change_custom_key_store(const CustomKeyStoreId& id, std::span<const ConnectionState> only_if,
                                          const CustomKeyStoreChange& change, const AuditEvent& event) {
  return write([&](Connection& connection, std::vector<AuditEvent>& events) {
    std::optional<CustomKeyStoreRecord> record = first_of(connection.run(kLock, {id.text}), id, key_.view());
    if (!record) return Outcome::kNotFound;
    if (change.only_revision && *change.only_revision != record->revision) return Outcome::kConflict;
    if (std::find(only_if.begin(), only_if.end(), record->state) == only_if.end()) return Outcome::kWrongState;
    if (change.name && *change.name != record->name &&
        !connection.run("SELECT id FROM custom_key_stores WHERE account = $1 AND name = $2", {record->account, *change.name})
             .rows.empty()) {
      return Outcome::kAlreadyExists;
    }
    record->state = change.state.value_or(record->state);
    record->failure = change.failure.value_or(record->failure);
    record->name = change.name.value_or(record->name);
    record->xks_endpoint = change.xks_endpoint.value_or(record->xks_endpoint);
    record->xks_path = change.xks_path.value_or(record->xks_path);
    record->access_key_id = change.access_key_id.value_or(record->access_key_id);
    record->trusted_certificates = change.trusted_certificates.value_or(record->trusted_certificates);
    check_texts(*record);
    const WrappedSecret& secret = change.secret_access_key.value_or(record->secret_access_key);
    ++record->revision;
    (void)connection.run(
        "UPDATE custom_key_stores SET state = $2, failure = $3, name = $4, xks_endpoint = $5, xks_path = $6, access_key_id = $7, "
        "trusted_certificates = $8, root_key = $9, iv = $10, ciphertext = $11, tag = $12, revision = $13, seal = $14 WHERE id = $1",
        {id.text, value_of(text_of(record->state)), record->failure, record->name, record->xks_endpoint, record->xks_path,
         record->access_key_id, record->trusted_certificates, secret.root_key, secret.iv, secret.ciphertext, secret.tag,
         value_of(record->revision), value_of(seal_of(*record, key_.view()))});
    if ((change.xks_endpoint || change.xks_path) && others_have_uri(connection, *record)) return Outcome::kInUse;
    events.push_back(event);
    return Outcome::kDone;
  });
}

Outcome SqlStore::delete_custom_key_store(const CustomKeyStoreId& id, const AuditEvent& event) {
  return write([&](Connection& connection, std::vector<AuditEvent>& events) {
    const auto record = first_of(connection.run(kLock, {id.text}), id, key_.view());
    if (!record) return Outcome::kNotFound;
    if (!connection.run("SELECT id FROM keys WHERE custom_key_store = $1 LIMIT 1", {id.text}).rows.empty()) return Outcome::kInUse;
    if (record->state != ConnectionState::kDisconnected) return Outcome::kWrongState;
    (void)connection.run("DELETE FROM custom_key_stores WHERE id = $1", {id.text});
    events.push_back(event);
    return Outcome::kDone;
  });
}

Page<CustomKeyStoreRecord> SqlStore::list_custom_key_stores(std::string_view account, std::string_view after, std::size_t limit) {
  const auto answer = read(kList, {value_of(account), value_of(after), page_limit(limit)});
  std::vector<CustomKeyStoreRecord> records;
  for (const sql::Row& columns : answer.rows) {
    RowReader row(columns, "a custom key store");
    records.push_back(custom_key_store_of(row, key_.view()));
  }
  return page_of(std::move(records), page_limit(limit));
}

}  // namespace kms
