// The store over SQLite or PostgreSQL. Locks are taken in one order everywhere, so that transactions of several instances don't
// wait for each other in a circle: custom key store, key, alias, and last the head of the audit log.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "tools/kms/store/records.hpp"
#include "tools/kms/store/sql.hpp"

namespace kms {

class SqlStore final : public Store {
 public:
  SqlStore(std::unique_ptr<sql::Database> database, const StoreOptions& options, sql::Access access);
  // Opens the key of log and seals, or makes one in a store that has nothing yet. Without it the store only reads.
  void open_key(KeyWrapping& wrapping);

  [[nodiscard]] Outcome create_key(const KeyRecord& key, const AuditEvent& event) override;
  [[nodiscard]] std::optional<KeyRecord> find_key(const KeyId& id) override;
  [[nodiscard]] std::optional<KeyRecord> find_key_by_alias(std::string_view account, std::string_view alias) override;
  [[nodiscard]] KeyAnswer change_key(const KeyId& id, std::span<const KeyState> only_if, const KeyChange& change,
                                     const AuditEvent& event) override;
  [[nodiscard]] Outcome add_material(const KeyId& id, const KeyMaterial& material, const AuditEvent& event) override;
  [[nodiscard]] std::vector<KeyId> delete_due_keys(Time now, std::size_t limit) override;
  [[nodiscard]] Page<KeyId> list_keys(std::string_view account, std::string_view after, std::size_t limit) override;

  [[nodiscard]] Outcome create_alias(const AliasRecord& alias, const AliasBasis& basis, const AuditEvent& event) override;
  [[nodiscard]] Outcome change_alias(const AliasRecord& alias, const AliasBasis& basis, const AuditEvent& event) override;
  [[nodiscard]] Outcome delete_alias(std::string_view account, std::string_view name, const AliasBasis& basis,
                                     const AuditEvent& event) override;
  [[nodiscard]] Page<AliasRecord> list_aliases(std::string_view account, const std::optional<KeyId>& key,
                                               std::string_view after, std::size_t limit) override;

  [[nodiscard]] Outcome create_custom_key_store(const CustomKeyStoreRecord& record, const AuditEvent& event) override;
  [[nodiscard]] std::optional<CustomKeyStoreRecord> find_custom_key_store(const CustomKeyStoreId& id) override;
  [[nodiscard]] Outcome change_custom_key_store(const CustomKeyStoreId& id, std::span<const ConnectionState> only_if,
                                                const CustomKeyStoreChange& change, const AuditEvent& event) override;
  [[nodiscard]] Outcome delete_custom_key_store(const CustomKeyStoreId& id, const AuditEvent& event) override;
  [[nodiscard]] Page<CustomKeyStoreRecord> list_custom_key_stores(std::string_view account, std::string_view after,
                                                                  std::size_t limit) override;

  std::uint64_t append_audit(const AuditEvent& event) override;
  [[nodiscard]] std::vector<AuditEntry> read_audit(std::uint64_t after, std::size_t limit) override;
  [[nodiscard]] AuditHead audit_head() override;

  [[nodiscard]] std::vector<WrappedItem> wrapped_by_others(std::string_view root_key, std::size_t limit) override;
  [[nodiscard]] Outcome replace_wrapped(const WrappedItem& old, const WrappedSecret& replacement,
                                        const AuditEvent& event) override;
  void ping() override;
  [[nodiscard]] ByteView log_key() const override { return key_.view(); }

 private:
  struct Waiting;
  // A change: it says what became of it and adds what the log shall say. It may run more than once, and what isn't kDone is undone.
  using Change = std::function<Outcome(sql::Connection&, std::vector<AuditEvent>&)>;
  Outcome write(const Change& change, std::uint64_t* last_sequence = nullptr);
  AuditHead append(sql::Connection& connection, std::span<const AuditEvent> events) const;
  bool was_committed(const AuditHead& head);
  void write_together(std::span<Waiting*> batch);
  sql::Answer read(std::string_view statement, std::initializer_list<sql::Value> values);
  std::optional<KeyRecord> lock_key(sql::Connection& connection, const KeyId& id) const;
  // Locks the keys that the change was decided by. kConflict: one isn't as it was read.
  [[nodiscard]] Outcome lock_basis(sql::Connection& connection, const AliasBasis& basis) const;
  // Whether another custom key store of the account has the proxy's URI.
  [[nodiscard]] bool others_have_uri(sql::Connection& connection, const CustomKeyStoreRecord& record) const;
  [[nodiscard]] std::optional<KeyRecord> with_material(const std::vector<sql::Row>& rows, std::size_t skip) const;

  std::unique_ptr<sql::Database> database_;
  std::function<Time()> clock_;
  std::chrono::milliseconds patience_;
  sql::Access access_;
  cryptography::SecretBytes key_;

  std::mutex queue_mutex_;
  std::deque<Waiting*> queue_;
  bool writing_together_{};
};

inline constexpr std::string_view kLockHead = "SELECT sequence, hash, seal FROM audit_head WHERE one = 1 FOR UPDATE";

inline constexpr std::size_t kLargestPage = 1000;
[[nodiscard]] inline std::int64_t page_limit(std::size_t limit) {
  return static_cast<std::int64_t>(std::min(std::max<std::size_t>(limit, 1), kLargestPage)) + 1;
}
// One more than asked for was read: that there is more is known without another question.
template <class Record>
Page<Record> page_of(std::vector<Record> records, std::int64_t limit) {
  Page<Record> page{std::move(records), false};
  if (page.records.size() >= static_cast<std::size_t>(limit)) {
    page.records.resize(static_cast<std::size_t>(limit) - 1);
    page.more = true;
  }
  return page;
}
// Texts that come from requests: PostgreSQL takes no zero byte, and what isn't UTF-8 it refuses. Throws StoreError.
void check_text(std::string_view text);

}  // namespace kms
