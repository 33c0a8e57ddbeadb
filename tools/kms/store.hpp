// What the key service keeps: keys, aliases, custom key stores, and the audit log, in SQLite (one process, one file) or in
// PostgreSQL (several instances at once). Every function is one whole transaction: after it returns, what it did is durable; when
// it refuses or throws, it did nothing. A change and its audit entry are one transaction.
//
// All functions may be called by several threads. Nothing is cached: what another instance changed is seen by the next call.
// Refusals are values, because a request can cause them; a store that fails throws StoreError. Everything throws StoreError when a
// record was altered by someone other than the key service (records carry a seal under a key that the root key wraps).
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tools/cryptography/cryptography.hpp"

namespace kms {

using cofferdam::Bytes;
using cofferdam::ByteView;
using Time = std::chrono::sys_time<std::chrono::milliseconds>;

class KeyWrapping;

// The store is broken, unreachable, full, altered or wrongly used. what(): the cause, then the mend.
class StoreError : public std::runtime_error {
 public:
  StoreError(const std::string& cause, const std::string& mend)
      : std::runtime_error(cause + ". " + mend), cause_(cause), mend_(mend) {}
  [[nodiscard]] const std::string& cause() const { return cause_; }
  [[nodiscard]] const std::string& mend() const { return mend_; }

 private:
  std::string cause_, mend_;
};

struct KeyId {
  std::string text;  // a UUID in lower case, as AWS writes it (or mrk-...: not made here)
  auto operator<=>(const KeyId&) const = default;
};
struct CustomKeyStoreId {
  std::string text;  // "cks-" and 17 hexadecimal digits
  auto operator<=>(const CustomKeyStoreId&) const = default;
};

enum class KeyState : std::uint8_t { kEnabled, kDisabled, kPendingDeletion, kUnavailable };
enum class KeyOrigin : std::uint8_t { kAwsKms, kExternalKeyStore };
enum class ConnectionState : std::uint8_t { kDisconnected, kConnecting, kConnected, kDisconnecting, kFailed };
// AWS's words: "PendingDeletion", "EXTERNAL_KEY_STORE", "CONNECTED".
[[nodiscard]] std::string_view text_of(KeyState state);
[[nodiscard]] std::string_view text_of(KeyOrigin origin);
[[nodiscard]] std::string_view text_of(ConnectionState state);

// A secret under the root key (tools/kms/key_wrapping.hpp). Nothing in it is secret.
struct WrappedSecret {
  std::string root_key;  // label in the token
  Bytes iv, ciphertext, tag;
  bool operator==(const WrappedSecret&) const = default;
};
struct KeyMaterial {
  std::uint32_t version{1};  // from 1, each one more than the one before
  WrappedSecret wrapped;
  bool operator==(const KeyMaterial&) const = default;
};

struct KeyRecord {
  KeyId id;
  std::string account;  // 12 digits
  Time created;
  std::string description;
  std::string key_spec;   // AWS's words, e.g. SYMMETRIC_DEFAULT; the store doesn't interpret them
  std::string key_usage;  // e.g. ENCRYPT_DECRYPT
  KeyOrigin origin{KeyOrigin::kAwsKms};
  KeyState state{KeyState::kEnabled};
  std::optional<Time> deletion;  // while kPendingDeletion
  std::string policy;            // the JSON text as it was given
  std::optional<CustomKeyStoreId> custom_key_store;
  std::optional<std::string> xks_key;
  Bytes public_key;                   // SubjectPublicKeyInfo of an asymmetric key, else empty
  std::vector<KeyMaterial> material;  // by version; the last one encrypts. Empty for an external key
  std::uint64_t revision{};           // of the record; the store counts it
  bool operator==(const KeyRecord&) const = default;
};

struct CustomKeyStoreRecord {
  CustomKeyStoreId id;
  std::string account;
  std::string name;  // unique in the account
  std::string type{"EXTERNAL_KEY_STORE"};
  Time created;
  ConnectionState state{ConnectionState::kDisconnected};
  std::string failure;       // AWS's ConnectionErrorCode while kFailed, else empty
  std::string xks_endpoint;  // https://host[:port]
  std::string xks_path;      // [/prefix]/kms/xks/v1
  std::string connectivity{"PUBLIC_ENDPOINT"};
  std::string access_key_id;
  WrappedSecret secret_access_key;
  std::string trusted_certificates;  // PEM that the proxy's certificate must chain to; empty: the system's
  std::uint64_t revision{};
  bool operator==(const CustomKeyStoreRecord&) const = default;
};

struct AliasRecord {
  std::string account;
  std::string name;  // "alias/..."
  KeyId target;
  Time created, updated;
  bool operator==(const AliasRecord&) const = default;
};

// What somebody asked and what became of it; nothing secret. The store adds sequence and time. Text is cut at 512 bytes, and what
// isn't printable ASCII is written as \xHH: a principal that isn't authenticated yet can't write anything else into the log.
struct AuditEvent {
  std::string principal;
  std::string operation;  // AWS's action, e.g. "Decrypt"; our own: "DeleteKey" (its time had come), "RewrapKey"
  std::string key;        // key id, alias or custom key store id; may be empty
  std::string outcome;    // "Success" or AWS's error code
  std::string request;    // x-amzn-RequestId
  std::optional<std::string> recipient_pcr0;  // hexadecimal; nullopt: the request had no Recipient
  std::string detail;     // e.g. the SHA-256 of a new policy, an alias; may be empty
};

struct AuditEntry {
  std::uint64_t sequence{};  // from 1, without a gap
  Time time;
  AuditEvent event;
  cryptography::Digest256 hash{};  // SHA-256 over the hash before and the entry (tools/kms/audit_log.hpp)
  cryptography::Digest256 seal{};  // HMAC of the hash under the log's key
};
struct AuditHead {
  std::uint64_t sequence{};  // 0: no entry yet
  cryptography::Digest256 hash{};
  cryptography::Digest256 seal{};  // HMAC of both; there is one head only, so no older one can be put in its place
};

enum class Outcome : std::uint8_t {
  kDone,
  kNotFound,
  kAlreadyExists,
  kWrongState,  // the key is not in a state that the change was allowed for
  kConflict,    // the record changed since it was read
  kInUse,       // a custom key store with keys; an external key that another key of its store uses; a proxy that another store has
};

// A key as somebody read it. What was decided by its record holds as long as the revision is the same: each change counts one more.
struct KeyAsRead {
  KeyId id;
  std::uint64_t revision{};
};

// What to change in a key; what is nullopt stays.
struct KeyChange {
  std::optional<std::uint64_t> only_revision;  // the record's, when the change was decided; kConflict when it is another one now
  std::optional<KeyState> state;
  std::optional<std::optional<Time>> deletion;
  std::optional<std::string> description;
  std::optional<std::string> policy;
};
struct KeyAnswer {
  Outcome outcome{Outcome::kDone};
  std::optional<KeyState> state;  // as it is after the call; nullopt: there is no such key
};

// What a change of an alias was decided by: the keys whose policies were asked. kConflict unless both are as they were read and the
// alias still points to the first. What is nullopt isn't asked.
struct AliasBasis {
  std::optional<KeyAsRead> before;  // whom the alias points to
  std::optional<KeyAsRead> target;  // whom it shall point to
};

struct CustomKeyStoreChange {
  std::optional<std::uint64_t> only_revision;  // as in KeyChange
  std::optional<ConnectionState> state;
  std::optional<std::string> failure;
  std::optional<std::string> name, xks_endpoint, xks_path, access_key_id, trusted_certificates;
  std::optional<WrappedSecret> secret_access_key;
};

template <class Record>
struct Page {
  std::vector<Record> records;
  bool more{};  // ask again with the last record's id or name as `after`
};

// What is wrapped by a root key: key material, proxy credentials, the log's own key.
struct WrappedItem {
  std::string purpose;  // as key_wrapping.hpp names them
  std::string id;
  std::uint32_t version{};
  WrappedSecret wrapped;
};

class Store {
 public:
  virtual ~Store() = default;

  // Keys. The record's revision is ignored. kAlreadyExists: the id is taken; kNotFound: its custom key store isn't there.
  [[nodiscard]] virtual Outcome create_key(const KeyRecord& key, const AuditEvent& event) = 0;
  [[nodiscard]] virtual std::optional<KeyRecord> find_key(const KeyId& id) = 0;
  // By alias in one step, so that the answer is one state of the store.
  [[nodiscard]] virtual std::optional<KeyRecord> find_key_by_alias(std::string_view account, std::string_view alias) = 0;
  // Changes the key only if its state is one of `only_if`, else kWrongState; kConflict goes before it.
  [[nodiscard]] virtual KeyAnswer change_key(const KeyId& id, std::span<const KeyState> only_if, const KeyChange& change,
                                             const AuditEvent& event) = 0;
  // The version must be one more than the newest: else kConflict.
  [[nodiscard]] virtual Outcome add_material(const KeyId& id, const KeyMaterial& material, const AuditEvent& event) = 0;
  // Keys whose deletion time is not after `now`: material overwritten, then record, material and aliases gone, an audit entry for
  // each. At most `limit` (1 to 1000); answers which.
  [[nodiscard]] virtual std::vector<KeyId> delete_due_keys(Time now, std::size_t limit) = 0;
  // By id. `limit` 1 to 1000 for all lists.
  [[nodiscard]] virtual Page<KeyId> list_keys(std::string_view account, std::string_view after, std::size_t limit) = 0;

  // Aliases. kNotFound: the key isn't there, or for change and delete, the alias.
  [[nodiscard]] virtual Outcome create_alias(const AliasRecord& alias, const AliasBasis& basis, const AuditEvent& event) = 0;
  [[nodiscard]] virtual Outcome change_alias(const AliasRecord& alias, const AliasBasis& basis, const AuditEvent& event) = 0;
  [[nodiscard]] virtual Outcome delete_alias(std::string_view account, std::string_view name, const AliasBasis& basis,
                                             const AuditEvent& event) = 0;
  // By name; `key` keeps only those of one key.
  [[nodiscard]] virtual Page<AliasRecord> list_aliases(std::string_view account, const std::optional<KeyId>& key,
                                                       std::string_view after, std::size_t limit) = 0;

  // Custom key stores. kAlreadyExists: the id or the name is taken; kInUse: the proxy's URI is.
  [[nodiscard]] virtual Outcome create_custom_key_store(const CustomKeyStoreRecord& record, const AuditEvent& event) = 0;
  [[nodiscard]] virtual std::optional<CustomKeyStoreRecord> find_custom_key_store(const CustomKeyStoreId& id) = 0;
  // Changes it only if its state is one of `only_if`, else kWrongState.
  [[nodiscard]] virtual Outcome change_custom_key_store(const CustomKeyStoreId& id, std::span<const ConnectionState> only_if,
                                                        const CustomKeyStoreChange& change, const AuditEvent& event) = 0;
  // kInUse: there are keys in it; kWrongState: it isn't disconnected.
  [[nodiscard]] virtual Outcome delete_custom_key_store(const CustomKeyStoreId& id, const AuditEvent& event) = 0;
  [[nodiscard]] virtual Page<CustomKeyStoreRecord> list_custom_key_stores(std::string_view account, std::string_view after,
                                                                          std::size_t limit) = 0;

  // The audit log. For what changes nothing (Decrypt, a refused request): returns its sequence once it is durable; entries of
  // several threads share a transaction.
  virtual std::uint64_t append_audit(const AuditEvent& event) = 0;
  // In order, sequence > `after`. As they stand there: nothing is checked (tools/kms/audit_log.hpp does).
  [[nodiscard]] virtual std::vector<AuditEntry> read_audit(std::uint64_t after, std::size_t limit) = 0;
  [[nodiscard]] virtual AuditHead audit_head() = 0;
  // The key of the log's seals, for those who verify it. Empty: opened without the root key.
  [[nodiscard]] virtual ByteView log_key() const = 0;

  // Rotation of the root key: what is not wrapped by `root_key`, and its replacement, which happens only if the item is still
  // what it was (else kConflict) and leaves an audit entry.
  [[nodiscard]] virtual std::vector<WrappedItem> wrapped_by_others(std::string_view root_key, std::size_t limit) = 0;
  [[nodiscard]] virtual Outcome replace_wrapped(const WrappedItem& old, const WrappedSecret& replacement, const AuditEvent& event) = 0;

  // One cheap read, for health checks. Throws StoreError.
  virtual void ping() = 0;
};

struct StoreOptions {
  // sqlite:FILE, or postgresql://USER@HOST:PORT/DATABASE?... (libpq's form; a password belongs into libpq's passfile)
  std::string url;
  std::size_t connections{8};               // readers of SQLite; the pool of PostgreSQL
  std::chrono::milliseconds patience{5000};  // for a lock, a free connection, a server that restarts
  std::function<Time()> clock;              // empty: the system's
};

// Opens the store, makes it if it isn't there, and brings an older schema up to date. The wrapping opens the log's key, or wraps a
// new one. Throws StoreError, and what the wrapping throws.
[[nodiscard]] std::unique_ptr<Store> open_store(const StoreOptions& options, KeyWrapping& wrapping);
// Without the root key: lists and the log only, seals of records are not checked, and everything that changes throws StoreError.
[[nodiscard]] std::unique_ptr<Store> open_store_to_read(const StoreOptions& options);
// With it: seals are checked, and still nothing is changed or made.
[[nodiscard]] std::unique_ptr<Store> open_store_to_read(const StoreOptions& options, KeyWrapping& wrapping);

}  // namespace kms
