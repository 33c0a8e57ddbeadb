// SQLite behind sql.hpp: one connection that writes, a few that read. WAL, so that readers never wait for the writer; each commit
// is synchronous (PRAGMA synchronous=FULL: the log is on the disk before COMMIT returns).
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>

#include "tools/kms/store/schema.hpp"
#include "tools/kms/store/sql.hpp"

namespace kms::sql {
namespace {

constexpr std::string_view kForUpdate = " FOR UPDATE";

[[noreturn]] void fail(sqlite3* database, std::string_view what, const std::string& file) {
  const int code = database == nullptr ? SQLITE_NOMEM : sqlite3_extended_errcode(database);
  const std::string cause = "the key store " + file + ": " + std::string(what) + ": " +
                            (database == nullptr ? "out of memory" : sqlite3_errmsg(database)) + " (SQLite " +
                            std::to_string(code) + ")";
  switch (code & 0xff) {
    case SQLITE_BUSY: throw StoreError(cause, "Another process holds its lock: end it, or wait until it is done");
    case SQLITE_FULL: throw StoreError(cause, "Make room on the disk");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: throw StoreError(cause, "Restore the file from a backup");
    case SQLITE_CANTOPEN: throw StoreError(cause, "Make its folder, and let this user write there");
    case SQLITE_READONLY: throw StoreError(cause, "Let this user write the file and its folder");
    default: throw StoreError(cause, "Look after the disk; the change was not made");
  }
}

class SqliteConnection final : public Connection {
 public:
  SqliteConnection(const std::string& file, Access access, std::chrono::milliseconds patience) : file_(file) {
    if (sqlite3_open_v2(file.c_str(), &database_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK) {
      const std::unique_ptr<sqlite3, int (*)(sqlite3*)> closes(database_, sqlite3_close);
      database_ = nullptr;
      fail(closes.get(), "can't be opened", file_);
    }
    sqlite3_extended_result_codes(database_, 1);
    sqlite3_busy_timeout(database_, static_cast<int>(patience.count()));
    try {
      execute("PRAGMA trusted_schema=OFF");
      execute("PRAGMA foreign_keys=ON");
      if (access == Access::kRead) {
        execute("PRAGMA query_only=ON");
        return;
      }
      execute("PRAGMA journal_mode=WAL");
      execute("PRAGMA synchronous=FULL");
      execute("PRAGMA secure_delete=ON");  // deleted material is overwritten with zeros
    } catch (...) {
      close();
      throw;
    }
  }
  ~SqliteConnection() override { close(); }
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  using Connection::run;
  Answer run(std::string_view statement, std::span<const Value> values) override {
    call_statement_hook(statement);
    sqlite3_stmt* prepared = prepare(statement);
    const Resets resets{prepared};
    bind(prepared, values);
    Answer answer;
    int code = SQLITE_OK;
    while ((code = sqlite3_step(prepared)) == SQLITE_ROW) answer.rows.push_back(row_of(prepared));
    if (code != SQLITE_DONE) fail(database_, "a statement failed", file_);
    answer.changed = static_cast<std::size_t>(sqlite3_changes(database_));
    return answer;
  }
  void run_for_each(std::string_view statement, std::span<const Row> values) override {
    for (const Row& row : values) (void)run(statement, row);
  }
  void execute(const char* statement) {
    call_statement_hook(statement);
    if (sqlite3_exec(database_, statement, nullptr, nullptr, nullptr) != SQLITE_OK) fail(database_, statement, file_);
  }
  void roll_back() noexcept { sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr); }
  void checkpoint() noexcept { sqlite3_wal_checkpoint_v2(database_, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr); }

 private:
  struct Resets {
    sqlite3_stmt* statement;
    ~Resets() {
      sqlite3_reset(statement);
      sqlite3_clear_bindings(statement);
    }
  };
  struct Finalizes {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };

  sqlite3_stmt* prepare(std::string_view statement) {
    if (const auto known = statements_.find(statement); known != statements_.end()) return known->second.get();
    std::string_view text = statement;
    if (text.ends_with(kForUpdate)) text.remove_suffix(kForUpdate.size());  // BEGIN IMMEDIATE has locked everything
    sqlite3_stmt* prepared = nullptr;
    if (sqlite3_prepare_v3(database_, text.data(), static_cast<int>(text.size()), SQLITE_PREPARE_PERSISTENT, &prepared,
                           nullptr) != SQLITE_OK) {
      fail(database_, "a statement can't be prepared", file_);
    }
    return statements_.emplace(std::string(statement), prepared).first->second.get();
  }

  // $1 is a name to SQLite, not a number.
  void bind(sqlite3_stmt* statement, std::span<const Value> values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const int index = sqlite3_bind_parameter_index(statement, ("$" + std::to_string(i + 1)).c_str());
      if (index == 0) throw std::logic_error("a statement doesn't use $" + std::to_string(i + 1));
      int code = SQLITE_OK;
      if (const auto* number = std::get_if<std::int64_t>(&values[i])) {
        code = sqlite3_bind_int64(statement, index, *number);
      } else if (const auto* text = std::get_if<std::string>(&values[i])) {
        code = sqlite3_bind_text64(statement, index, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
      } else if (const auto* bytes = std::get_if<Bytes>(&values[i])) {
        code = bytes->empty() ? sqlite3_bind_zeroblob(statement, index, 0)
                              : sqlite3_bind_blob64(statement, index, bytes->data(), bytes->size(), SQLITE_STATIC);
      } else {
        code = sqlite3_bind_null(statement, index);
      }
      if (code != SQLITE_OK) fail(database_, "a value can't be bound", file_);
    }
  }

  static Row row_of(sqlite3_stmt* statement) {
    Row row;
    const int columns = sqlite3_column_count(statement);
    for (int i = 0; i < columns; ++i) {
      const auto size = [&] { return static_cast<std::size_t>(sqlite3_column_bytes(statement, i)); };
      switch (sqlite3_column_type(statement, i)) {
        case SQLITE_INTEGER: row.emplace_back(std::int64_t{sqlite3_column_int64(statement, i)}); break;
        case SQLITE_NULL: row.emplace_back(); break;
        case SQLITE_TEXT: {
          const auto* text = sqlite3_column_text(statement, i);
          row.emplace_back(std::string(reinterpret_cast<const char*>(text), size()));
          break;
        }
        default: {
          const auto* bytes = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement, i));
          row.emplace_back(bytes == nullptr ? Bytes{} : Bytes(bytes, bytes + size()));
        }
      }
    }
    return row;
  }

  void close() {
    statements_.clear();
    sqlite3_close(database_);
    database_ = nullptr;
  }

  std::string file_;
  sqlite3* database_{};
  std::map<std::string, std::unique_ptr<sqlite3_stmt, Finalizes>, std::less<>> statements_;
};

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(const StoreOptions& options, std::string file, Access access)
      : file_(std::move(file)), patience_(options.patience), largest_(std::max<std::size_t>(options.connections, 1)) {
    if (access == Access::kRead) {
      const Lease lease(*this);
      if (schema_version(*lease.connection) != kSqliteSchema.size()) {
        throw StoreError("the key store " + file_ + " has another schema than this program", "Start the service once: it brings it up to date");
      }
      return;
    }
    make_file();
    writer_ = std::make_unique<SqliteConnection>(file_, Access::kWrite, patience_);
    migrate();
  }

  void transact(Access access, const std::function<void(Connection&)>& body) override {
    if (access == Access::kRead) {
      const Lease lease(*this);
      body(*lease.connection);
      return;
    }
    const std::lock_guard writes(writing_);
    if (!writer_) throw StoreError("the key store " + file_ + " was opened for reading", "Open it with its root key");
    writer_->execute("BEGIN IMMEDIATE");
    try {
      body(*writer_);
      writer_->execute("COMMIT");
    } catch (...) {
      writer_->roll_back();
      throw;
    }
    call_statement_hook("");
  }

  void scrub() override {
    const std::lock_guard writes(writing_);
    if (writer_) writer_->checkpoint();
  }

 private:
  class Lease {
   public:
    explicit Lease(SqliteDatabase& database) : database_(database) {
      std::unique_lock lock(database_.reading_);
      const bool ready = database_.idle_.wait_for(lock, database_.patience_, [&] {
        return !database_.readers_.empty() || database_.opened_ < database_.largest_;
      });
      if (!ready) throw StoreError("all connections to the key store are busy", "Allow it more connections");
      if (!database_.readers_.empty()) {
        connection = std::move(database_.readers_.back());
        database_.readers_.pop_back();
        return;
      }
      connection = std::make_unique<SqliteConnection>(database_.file_, Access::kRead, database_.patience_);
      ++database_.opened_;
    }
    ~Lease() {
      {
        const std::lock_guard lock(database_.reading_);
        database_.readers_.push_back(std::move(connection));
      }
      database_.idle_.notify_one();
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    std::unique_ptr<SqliteConnection> connection;

   private:
    SqliteDatabase& database_;
  };

  // Only for its owner; SQLite gives the same rights to the files beside it.
  void make_file() const {
    const int file = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) {
      throw StoreError("the key store " + file_ + " can't be made or written: " + std::strerror(errno),
                       "Make its folder, and let this user write there");
    }
    ::close(file);
  }

  static std::size_t schema_version(SqliteConnection& connection) {
    return static_cast<std::size_t>(std::get<std::int64_t>(connection.run("PRAGMA user_version").rows.at(0).at(0)));
  }

  void migrate() {
    writer_->execute("BEGIN IMMEDIATE");
    try {
      const std::size_t version = schema_version(*writer_);
      if (version > kSqliteSchema.size()) {
        throw StoreError("the key store " + file_ + " was written by a newer version of this program", "Run that one");
      }
      for (std::size_t next = version; next < kSqliteSchema.size(); ++next) {
        writer_->execute(kSqliteSchema[next]);
        writer_->execute(("PRAGMA user_version=" + std::to_string(next + 1)).c_str());
      }
      writer_->execute("COMMIT");
    } catch (...) {
      writer_->roll_back();
      throw;
    }
  }

  std::string file_;
  std::chrono::milliseconds patience_;
  std::size_t largest_;
  std::mutex writing_;
  std::unique_ptr<SqliteConnection> writer_;
  std::mutex reading_;
  std::condition_variable idle_;
  std::size_t opened_{};
  std::vector<std::unique_ptr<SqliteConnection>> readers_;
};

}  // namespace

std::unique_ptr<Database> open_sqlite(const StoreOptions& options, std::string_view file, Access access) {
  return std::make_unique<SqliteDatabase>(options, std::string(file), access);
}

}  // namespace kms::sql
