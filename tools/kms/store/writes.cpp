// How the store writes: changes with their audit entries, entries of several threads together, and what happens when the
// connection ends in between.
#include <thread>

#include "tools/kms/audit_log.hpp"
#include "tools/kms/key_wrapping.hpp"
#include "tools/kms/store/sql_store.hpp"

namespace kms {
namespace {

using sql::Connection;

constexpr std::string_view kInsertEntry =
    "INSERT INTO audit(sequence, time, principal, operation, key, outcome, request, recipient_pcr0, detail, hash, seal) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
constexpr std::string_view kStoreKey = "audit";
constexpr std::size_t kLargestBatch = 256;

struct Undo {
  Outcome outcome;
};

AuditHead head_of(const sql::Answer& answer) {
  if (answer.rows.size() != 1) {
    throw StoreError("the head of the audit log is gone", "Find out who writes to the store; restore it from a backup");
  }
  RowReader row(answer.rows[0], "the head of the audit log");
  AuditHead head;
  head.sequence = static_cast<std::uint64_t>(row.number());
  head.hash = row.digest();
  head.seal = row.digest();
  return head;
}

}  // namespace

struct SqlStore::Waiting {
  const AuditEvent& event;
  std::uint64_t sequence{};
  std::exception_ptr error;
  bool done{};
  std::condition_variable woken;
};

SqlStore::SqlStore(std::unique_ptr<sql::Database> database, const StoreOptions& options, sql::Access access)
    : database_(std::move(database)), clock_(options.clock), patience_(options.patience), access_(access) {
  if (!clock_) clock_ = [] { return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()); };
}

void SqlStore::open_key(KeyWrapping& wrapping) {
  const std::string name(kStoreKey);
  constexpr std::uint32_t kVersion = 1;
  const auto find = [&](Connection& connection) {
    return connection.run("SELECT root_key, iv, ciphertext, tag FROM store_keys WHERE name = $1 AND version = $2",
                          {name, std::int64_t{kVersion}});
  };
  sql::Answer found;
  database_->transact(sql::Access::kRead, [&](Connection& connection) { found = find(connection); });
  if (found.rows.empty() && access_ == sql::Access::kRead) {
    throw StoreError("the key store has no key for its log", "Start the service once; if it ran, restore the store from a backup");
  }
  if (found.rows.empty()) {
    const cryptography::SecretBytes fresh = cryptography::random_secret(32);
    const WrappedSecret wrapped = wrapping.wrap(Purpose::kStoreKey, kStoreKey, kVersion, fresh.view());
    database_->transact(sql::Access::kWrite, [&](Connection& connection) {
      const auto inserted = connection.run(
          "INSERT INTO store_keys(name, version, root_key, iv, ciphertext, tag) VALUES ($1, $2, $3, $4, $5, $6) "
          "ON CONFLICT DO NOTHING",
          {name, std::int64_t{kVersion}, wrapped.root_key, wrapped.iv, wrapped.ciphertext, wrapped.tag});
      if (inserted.changed == 1) {
        if (!connection.run("SELECT sequence FROM audit UNION ALL SELECT sequence FROM audit_head LIMIT 1").rows.empty()) {
          throw StoreError("the key of the audit log is gone from a store that has one",
                           "Find out who writes to the store; restore it from a backup");
        }
        const Digest256 nothing{};
        (void)connection.run("INSERT INTO audit_head(one, sequence, hash, seal) VALUES (1, 0, $1, $2)",
                             {value_of(nothing), value_of(head_seal(fresh.view(), 0, nothing))});
      }
      found = find(connection);
    });
  }
  RowReader row(found.rows.at(0), "the key of the audit log");
  key_ = wrapping.unwrap(Purpose::kStoreKey, kStoreKey, kVersion, wrapped_of(row));
}

AuditHead SqlStore::append(Connection& connection, std::span<const AuditEvent> events) const {
  AuditHead head = head_of(connection.run(kLockHead));
  // Nobody's alteration is sealed: a log that was cut off and a head that was made to fit would look right ever after.
  if (!cryptography::equal_in_constant_time(head.seal, head_seal(key_.view(), head.sequence, head.hash))) {
    throw StoreError("the head of the audit log was altered by someone other than the key service",
                     "Run `cofferdam-kms audit verify`; restore the store from a backup");
  }
  std::vector<sql::Row> rows;
  const Time now = clock_();
  for (const AuditEvent& event : events) {
    AuditEntry entry;
    entry.sequence = head.sequence + 1;
    entry.time = now;
    entry.event = {for_the_log(event.principal), for_the_log(event.operation), for_the_log(event.key),
                   for_the_log(event.outcome),   for_the_log(event.request),   {},
                   for_the_log(event.detail)};
    if (event.recipient_pcr0) entry.event.recipient_pcr0 = for_the_log(*event.recipient_pcr0);
    entry.hash = chained_hash(head.hash, entry);
    entry.seal = entry_seal(key_.view(), entry.sequence, entry.hash);
    rows.push_back({value_of(entry.sequence), value_of(entry.time), entry.event.principal, entry.event.operation, entry.event.key,
                    entry.event.outcome, entry.event.request, value_of(entry.event.recipient_pcr0), entry.event.detail,
                    value_of(entry.hash), value_of(entry.seal)});
    head.sequence = entry.sequence;
    head.hash = entry.hash;
  }
  head.seal = head_seal(key_.view(), head.sequence, head.hash);
  connection.run_for_each(kInsertEntry, rows);
  (void)connection.run("UPDATE audit_head SET sequence = $1, hash = $2, seal = $3 WHERE one = 1",
                       {value_of(head.sequence), value_of(head.hash), value_of(head.seal)});
  return head;
}

Outcome SqlStore::write(const Change& change, std::uint64_t* last_sequence) {
  if (key_.empty() || access_ == sql::Access::kRead) throw StoreError("the key store was opened for reading only", "Open it with its root key");
  const auto deadline = std::chrono::steady_clock::now() + patience_;
  for (auto pause = std::chrono::milliseconds(5);; pause = std::min(pause * 2, std::chrono::milliseconds(250))) {
    AuditHead head;
    try {
      database_->transact(sql::Access::kWrite, [&](Connection& connection) {
        std::vector<AuditEvent> events;
        const Outcome outcome = change(connection, events);
        if (outcome != Outcome::kDone) throw Undo{outcome};
        if (!events.empty()) head = append(connection, events);
      });
    } catch (const Undo& undo) {
      return undo.outcome;
    } catch (const sql::CommitUnknown&) {
      if (!was_committed(head)) continue;
    } catch (const sql::Transient&) {
      if (std::chrono::steady_clock::now() > deadline) throw;
      std::this_thread::sleep_for(pause);
      continue;
    }
    if (last_sequence != nullptr) *last_sequence = head.sequence;
    return Outcome::kDone;
  }
}

// The transaction had locked the head of the log. Whoever holds that lock now knows that it has ended, and its entries are in
// the log if and only if it was committed.
bool SqlStore::was_committed(const AuditHead& head) {
  const auto deadline = std::chrono::steady_clock::now() + patience_;
  for (;;) {
    try {
      bool committed = false;
      database_->transact(sql::Access::kWrite, [&](Connection& connection) {
        (void)connection.run(kLockHead);
        const auto answer = connection.run("SELECT hash FROM audit WHERE sequence = $1", {value_of(head.sequence)});
        committed = !answer.rows.empty() && answer.rows[0].at(0) == value_of(head.hash);
      });
      return committed;
    } catch (const sql::CommitUnknown&) {
      continue;
    } catch (const sql::Transient& error) {
      if (std::chrono::steady_clock::now() > deadline) {
        throw StoreError("the database went away during a commit: the change may have been made or not (" + error.cause() + ")",
                         "Look at the log or the key when it is back");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
}

// The first thread that comes writes for all that came before it finished waiting for the writer; those that come meanwhile are the
// next batch. So an entry waits for at most two commits, and there are as many commits as the disk allows, not as many as entries.
std::uint64_t SqlStore::append_audit(const AuditEvent& event) {
  Waiting mine{event};
  std::unique_lock lock(queue_mutex_);
  queue_.push_back(&mine);
  mine.woken.wait(lock, [&] { return mine.done || !writing_together_; });
  if (!mine.done) {
    writing_together_ = true;
    // Mine is the oldest or among the oldest: who waits is woken in order.
    while (!mine.done) {
      const auto size = static_cast<std::ptrdiff_t>(std::min(queue_.size(), kLargestBatch));
      std::vector<Waiting*> batch(queue_.begin(), queue_.begin() + size);
      queue_.erase(queue_.begin(), queue_.begin() + size);
      lock.unlock();
      write_together(batch);
      lock.lock();
      for (Waiting* waiting : batch) {
        waiting->done = true;
        waiting->woken.notify_one();
      }
    }
    writing_together_ = false;
    if (!queue_.empty()) queue_.front()->woken.notify_one();
  }
  if (mine.error) std::rethrow_exception(mine.error);
  return mine.sequence;
}

void SqlStore::write_together(std::span<Waiting*> batch) {
  try {
    std::uint64_t last = 0;
    (void)write(
        [&](Connection&, std::vector<AuditEvent>& events) {
          for (const Waiting* waiting : batch) events.push_back(waiting->event);
          return Outcome::kDone;
        },
        &last);
    for (std::size_t i = 0; i < batch.size(); ++i) batch[i]->sequence = last - batch.size() + 1 + i;
  } catch (...) {
    for (Waiting* waiting : batch) waiting->error = std::current_exception();
  }
}

sql::Answer SqlStore::read(std::string_view statement, std::initializer_list<sql::Value> values) {
  const auto deadline = std::chrono::steady_clock::now() + patience_;
  for (;;) {
    try {
      sql::Answer answer;
      database_->transact(sql::Access::kRead, [&](Connection& connection) { answer = connection.run(statement, values); });
      return answer;
    } catch (const sql::Transient&) {
      if (std::chrono::steady_clock::now() > deadline) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
}

std::vector<AuditEntry> SqlStore::read_audit(std::uint64_t after, std::size_t limit) {
  const auto answer = read(
      "SELECT sequence, time, principal, operation, key, outcome, request, recipient_pcr0, detail, hash, seal FROM audit "
      "WHERE sequence > $1 ORDER BY sequence LIMIT $2",
      {value_of(after), page_limit(limit) - 1});
  std::vector<AuditEntry> entries;
  for (const sql::Row& row : answer.rows) {
    RowReader reader(row, "an entry of the audit log");
    entries.push_back(audit_entry_of(reader));
  }
  return entries;
}

AuditHead SqlStore::audit_head() { return head_of(read("SELECT sequence, hash, seal FROM audit_head WHERE one = 1", {})); }

void SqlStore::ping() { (void)read("SELECT one FROM audit_head WHERE one = 1", {}); }

}  // namespace kms
