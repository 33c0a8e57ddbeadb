// PostgreSQL behind sql.hpp: a pool of connections, row locks under READ COMMITTED, several instances at once. A connection that
// ended is replaced; what it was doing is tried again unless it was committing.
#include <libpq-fe.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>

#include "tools/kms/store/schema.hpp"
#include "tools/kms/store/sql.hpp"

namespace kms::sql {
namespace {

constexpr Oid kInt8 = 20, kInt4 = 23, kBytea = 17;  // pg_type.dat
constexpr const char* kBegin = "BEGIN ISOLATION LEVEL READ COMMITTED";
// Any number that nobody else takes: instances that start at once bring the schema up to date one after the other.
constexpr const char* kLockSchema = "SELECT pg_advisory_xact_lock(7166172711)";

struct Clears {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, Clears>;

std::string first_line(const char* message) {
  const std::string text = message == nullptr ? "" : message;
  return text.substr(0, text.find('\n'));
}

// Big-endian, as the binary protocol has numbers.
Bytes bytes_of(std::int64_t number) {
  Bytes bytes(8);
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(number) >> (56 - 8 * i));
  return bytes;
}
std::int64_t number_of(const std::uint8_t* bytes, std::size_t size) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < size; ++i) number = number << 8 | bytes[i];
  return size == 4 ? static_cast<std::int32_t>(static_cast<std::uint32_t>(number)) : static_cast<std::int64_t>(number);
}

// Values as libpq takes them: pointers into what it owns.
class Parameters {
 public:
  explicit Parameters(std::span<const Value> values) {
    numbers_.reserve(values.size());
    for (const Value& value : values) {
      if (const auto* number = std::get_if<std::int64_t>(&value)) {
        numbers_.push_back(bytes_of(*number));
        add(numbers_.back().data(), 8);
      } else if (const auto* text = std::get_if<std::string>(&value)) {
        add(text->data(), text->size());
      } else if (const auto* bytes = std::get_if<Bytes>(&value)) {
        add(bytes->empty() ? reinterpret_cast<const std::uint8_t*>("") : bytes->data(), bytes->size());
      } else {
        add(nullptr, 0);
      }
    }
  }
  [[nodiscard]] int count() const { return static_cast<int>(pointers_.size()); }
  [[nodiscard]] const char* const* pointers() const { return pointers_.data(); }
  [[nodiscard]] const int* sizes() const { return sizes_.data(); }
  [[nodiscard]] const int* formats() const { return formats_.data(); }

 private:
  void add(const void* data, std::size_t size) {
    pointers_.push_back(static_cast<const char*>(data));
    sizes_.push_back(static_cast<int>(size));
    formats_.push_back(1);
  }
  std::vector<Bytes> numbers_;
  std::vector<const char*> pointers_;
  std::vector<int> sizes_, formats_;
};

class PostgresqlConnection final : public Connection {
 public:
  PostgresqlConnection(const std::string& url, Access access, std::chrono::milliseconds patience) {
    const std::string seconds = std::to_string(std::max<std::int64_t>(2, patience.count() / 1000));
    const char* const keywords[] = {"dbname", "connect_timeout", "tcp_user_timeout", "fallback_application_name",
                                    "client_encoding", nullptr};
    const std::string milliseconds = std::to_string(patience.count());
    const char* const values[] = {url.c_str(), seconds.c_str(), milliseconds.c_str(), "cofferdam-kms", "UTF8", nullptr};
    connection_ = PQconnectdbParams(keywords, values, 1);
    if (PQstatus(connection_) != CONNECTION_OK) {
      // libpq's message names host and user, never the password.
      const Transient error("the PostgreSQL server can't be reached: " + first_line(PQerrorMessage(connection_)),
                            "Start it, or correct the address of the key store");
      PQfinish(connection_);
      throw error;
    }
    PQsetNoticeProcessor(connection_, [](void*, const char*) {}, nullptr);
    try {
      execute("SET search_path = cofferdam_kms, pg_temp");
      execute("SET synchronous_commit = on");  // whatever the server's default: an answer leaves only when it is durable
      execute(("SET lock_timeout = " + milliseconds).c_str());
      execute("SET idle_in_transaction_session_timeout = '30s'");  // a client that hangs must not keep the log's head locked
      if (access == Access::kRead) execute("SET default_transaction_read_only = on");
    } catch (...) {
      PQfinish(connection_);
      throw;
    }
  }
  ~PostgresqlConnection() override { PQfinish(connection_); }
  PostgresqlConnection(const PostgresqlConnection&) = delete;
  PostgresqlConnection& operator=(const PostgresqlConnection&) = delete;

  using Connection::run;
  Answer run(std::string_view statement, std::span<const Value> values) override {
    call_statement_hook(statement);
    const std::string& name = prepare(statement);
    const Parameters parameters(values);
    const Result result(PQexecPrepared(connection_, name.c_str(), parameters.count(), parameters.pointers(), parameters.sizes(),
                                       parameters.formats(), 1));
    check(result.get());
    return answer_of(result.get());
  }

  // In pipeline mode: one journey to the server for all rows.
  void run_for_each(std::string_view statement, std::span<const Row> rows) override {
    if (rows.size() == 1) {
      (void)run(statement, rows[0]);
      return;
    }
    call_statement_hook(statement);
    const std::string& name = prepare(statement);
    if (PQenterPipelineMode(connection_) != 1) fail(nullptr);
    // Small pieces: neither side's buffers fill up while the other one waits.
    constexpr std::size_t kPiece = 64;
    for (std::size_t at = 0; at < rows.size(); at += kPiece) {
      const std::size_t size = std::min(kPiece, rows.size() - at);
      for (const Row& row : rows.subspan(at, size)) {
        const Parameters parameters(row);
        if (PQsendQueryPrepared(connection_, name.c_str(), parameters.count(), parameters.pointers(), parameters.sizes(),
                                parameters.formats(), 1) != 1) {
          fail(nullptr);
        }
      }
      if (PQpipelineSync(connection_) != 1) fail(nullptr);
      take_results(size);
    }
    if (PQexitPipelineMode(connection_) != 1) fail(nullptr);
  }

  void execute(const char* statement) {
    call_statement_hook(statement);
    const Result result(PQexec(connection_, statement));
    check(result.get());
  }
  // False: the connection can't be used any more.
  bool roll_back() noexcept {
    if (PQstatus(connection_) != CONNECTION_OK || PQpipelineStatus(connection_) != PQ_PIPELINE_OFF) return false;
    const Result result(PQexec(connection_, "ROLLBACK"));
    return PQresultStatus(result.get()) == PGRES_COMMAND_OK && PQtransactionStatus(connection_) == PQTRANS_IDLE;
  }
  [[nodiscard]] bool usable() const {
    return PQstatus(connection_) == CONNECTION_OK && PQtransactionStatus(connection_) == PQTRANS_IDLE;
  }
  // Everything but a clear refusal by the server leaves open whether it committed.
  void commit() {
    call_statement_hook("COMMIT");
    const Result result(PQexec(connection_, "COMMIT"));
    if (PQresultStatus(result.get()) == PGRES_COMMAND_OK && std::strcmp(PQcmdStatus(result.get()), "COMMIT") == 0) return;
    if (PQstatus(connection_) == CONNECTION_OK && PQtransactionStatus(connection_) == PQTRANS_IDLE) fail(result.get());
    throw CommitUnknown("the PostgreSQL server went away during a commit: " + first_line(PQerrorMessage(connection_)),
                        "Look whether it runs");
  }

 private:
  void take_results(std::size_t statements) {
    for (std::size_t i = 0; i <= statements; ++i) {
      for (;;) {
        const Result result(PQgetResult(connection_));
        if (!result) {
          if (PQstatus(connection_) != CONNECTION_OK) fail(nullptr);
          break;
        }
        if (PQresultStatus(result.get()) == PGRES_PIPELINE_SYNC) return;
        check(result.get());
      }
    }
    throw std::logic_error("the end of a pipeline did not come");
  }

  void check(const PGresult* result) const {
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) fail(result);
  }

  [[noreturn]] void fail(const PGresult* result) const {
    const std::string line = first_line(result == nullptr ? PQerrorMessage(connection_) : PQresultErrorMessage(result));
    const std::string cause = "the key store's PostgreSQL server: " + line;
    const char* field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const std::string_view state = field == nullptr ? "" : field;
    // PostgreSQL's appendix A. 40001, 40P01: try again; 55P03: a lock that was not had in time; 57P0x: it shuts down or starts.
    if (state.empty() || state.starts_with("08") || state == "57P01" || state == "57P02" || state == "57P03" || state == "57P05" ||
        state == "25P03" || PQstatus(connection_) != CONNECTION_OK) {
      throw Transient(cause, "Look whether the server runs and can be reached");
    }
    if (state == "40001" || state == "40P01") throw Transient(cause, "Try again");
    if (state == "55P03") throw Transient(cause, "Another instance holds a lock: look for one that hangs");
    if (state.starts_with("53")) throw StoreError(cause, "Give the server more room, memory or connections");
    if (state == "42501" || state == "25006") throw StoreError(cause, "Give this database user its rights, and let it write");
    throw StoreError(cause, "Look at the server's log; the change was not made");
  }

  const std::string& prepare(std::string_view statement) {
    if (const auto known = statements_.find(statement); known != statements_.end()) return known->second;
    const std::string name = "s" + std::to_string(statements_.size());
    const Result result(PQprepare(connection_, name.c_str(), std::string(statement).c_str(), 0, nullptr));
    check(result.get());
    return statements_.emplace(std::string(statement), name).first->second;
  }

  static Answer answer_of(const PGresult* result) {
    Answer answer;
    const int columns = PQnfields(result);
    for (int i = 0; i < PQntuples(result); ++i) {
      Row row;
      for (int column = 0; column < columns; ++column) {
        const auto* data = reinterpret_cast<const std::uint8_t*>(PQgetvalue(result, i, column));
        const auto size = static_cast<std::size_t>(PQgetlength(result, i, column));
        const Oid type = PQftype(result, column);
        if (PQgetisnull(result, i, column) == 1) {
          row.emplace_back();
        } else if (type == kInt8 || type == kInt4) {
          row.emplace_back(number_of(data, size));
        } else if (type == kBytea) {
          row.emplace_back(Bytes(data, data + size));
        } else {
          row.emplace_back(std::string(reinterpret_cast<const char*>(data), size));
        }
      }
      answer.rows.push_back(std::move(row));
    }
    const char* changed = PQcmdTuples(const_cast<PGresult*>(result));
    if (*changed != 0) answer.changed = std::stoul(changed);
    return answer;
  }

  PGconn* connection_{};
  std::map<std::string, std::string, std::less<>> statements_;
};

class PostgresqlDatabase final : public Database {
 public:
  PostgresqlDatabase(const StoreOptions& options, Access access)
      : url_(options.url), patience_(options.patience), access_(access), largest_(std::max<std::size_t>(options.connections, 1)) {
    if (access == Access::kWrite) migrate();
  }

  void transact(Access access, const std::function<void(Connection&)>& body) override {
    Lease lease(*this);
    if (access == Access::kRead) {  // a single statement is a transaction
      body(*lease.connection);
      lease.good();
      return;
    }
    if (access_ == Access::kRead) throw StoreError("the key store was opened for reading", "Open it with its root key");
    PostgresqlConnection& connection = *lease.connection;
    try {
      connection.execute(kBegin);
      body(connection);
      connection.commit();
    } catch (...) {
      if (connection.roll_back()) lease.good();
      throw;
    }
    lease.good();
    call_statement_hook("");
  }

  void scrub() override {
    try {
      Lease lease(*this);
      lease.connection->execute("VACUUM key_material, keys");
      lease.good();
    } catch (const StoreError&) {
      // The server's own vacuum comes later. The deletion itself is done.
    }
  }

 private:
  // A connection that isn't called good is closed: nobody knows what state it is in.
  class Lease {
   public:
    explicit Lease(PostgresqlDatabase& database) : database_(database) {
      std::unique_lock lock(database_.mutex_);
      const bool ready = database_.freed_.wait_for(lock, database_.patience_, [&] {
        return !database_.idle_.empty() || database_.opened_ < database_.largest_;
      });
      if (!ready) throw StoreError("all connections to the key store are busy", "Allow it more connections");
      while (!database_.idle_.empty() && !connection) {
        connection = std::move(database_.idle_.back());
        database_.idle_.pop_back();
        if (connection->usable()) return;
        connection.reset();
        --database_.opened_;
      }
      ++database_.opened_;
      lock.unlock();
      try {
        connection = std::make_unique<PostgresqlConnection>(database_.url_, database_.access_, database_.patience_);
      } catch (...) {
        give_back();
        throw;
      }
    }
    ~Lease() { give_back(); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    void good() { good_ = connection->usable(); }
    std::unique_ptr<PostgresqlConnection> connection;

   private:
    void give_back() {
      if (!good_) connection.reset();
      {
        const std::lock_guard lock(database_.mutex_);
        if (connection) {
          database_.idle_.push_back(std::move(connection));
        } else {
          --database_.opened_;
          // One that ended seldom ends alone: a server that restarted has ended all.
          database_.opened_ -= database_.idle_.size();
          database_.idle_.clear();
        }
      }
      database_.freed_.notify_one();
    }
    PostgresqlDatabase& database_;
    bool good_{};
  };

  void migrate() {
    PostgresqlConnection connection(url_, Access::kWrite, patience_);
    connection.execute(kBegin);
    connection.execute(kLockSchema);
    connection.execute("CREATE SCHEMA IF NOT EXISTS cofferdam_kms");
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version(one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1), "
                       "version BIGINT NOT NULL)");
    connection.execute("INSERT INTO schema_version(one, version) VALUES (1, 0) ON CONFLICT DO NOTHING");
    const Answer answer = connection.run("SELECT version FROM schema_version WHERE one = 1");
    const auto version = static_cast<std::size_t>(std::get<std::int64_t>(answer.rows.at(0).at(0)));
    if (version > kPostgresqlSchema.size()) {
      throw StoreError("the key store was written by a newer version of this program", "Run that one");
    }
    for (std::size_t next = version; next < kPostgresqlSchema.size(); ++next) {
      connection.execute(kPostgresqlSchema[next]);
      connection.execute(("UPDATE schema_version SET version = " + std::to_string(next + 1)).c_str());
    }
    connection.commit();
  }

  std::string url_;
  std::chrono::milliseconds patience_;
  Access access_;
  std::size_t largest_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::size_t opened_{};
  std::vector<std::unique_ptr<PostgresqlConnection>> idle_;
};

}  // namespace

std::unique_ptr<Database> open_postgresql(const StoreOptions& options, Access access) {
  return std::make_unique<PostgresqlDatabase>(options, access);
}

}  // namespace kms::sql
