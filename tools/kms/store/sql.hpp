// What SQLite and PostgreSQL have in common, as far as the store needs it: statements with $1, $2, ..., three kinds of values,
// transactions. The statements are the same text for both, except the schema.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tools/kms/store.hpp"

namespace kms::sql {

using Null = std::monostate;
using Value = std::variant<Null, std::int64_t, std::string, Bytes>;
using Row = std::vector<Value>;
struct Answer {
  std::vector<Row> rows;
  std::size_t changed{};  // by INSERT, UPDATE, DELETE
};

class Connection {
 public:
  virtual ~Connection() = default;
  // `statement` is a constant of the program: it is prepared once. " FOR UPDATE" at its end locks rows where several write at once.
  virtual Answer run(std::string_view statement, std::span<const Value> values) = 0;
  // The same statement for each row of values; it answers no rows.
  virtual void run_for_each(std::string_view statement, std::span<const Row> values) = 0;
  Answer run(std::string_view statement, std::initializer_list<Value> values = {}) {
    return run(statement, std::span<const Value>(values.begin(), values.size()));
  }
};

// Nothing happened, and it may go well when it is tried again: a deadlock, a connection that ended before the commit.
class Transient : public StoreError {
 public:
  using StoreError::StoreError;
};
// The connection ended while it committed: whether it did must be looked up.
class CommitUnknown : public StoreError {
 public:
  using StoreError::StoreError;
};

enum class Access : std::uint8_t { kRead, kWrite };

class Database {
 public:
  virtual ~Database() = default;
  // Runs the body in one transaction, committed when it returns, undone when it throws. kRead: the body is a single statement.
  virtual void transact(Access access, const std::function<void(Connection&)>& body) = 0;
  // After rows with secrets were deleted: what can be done so that their bytes are gone from the files too. Best effort.
  virtual void scrub() = 0;
};

[[nodiscard]] std::unique_ptr<Database> open_sqlite(const StoreOptions& options, std::string_view file, Access access);
[[nodiscard]] std::unique_ptr<Database> open_postgresql(const StoreOptions& options, Access access);

// For tests that end the process at every step: called before each statement (with its text), and with "" after a commit.
using StatementHook = std::function<void(std::string_view statement)>;
StatementHook& statement_hook();
inline void call_statement_hook(std::string_view statement) {
  if (StatementHook& hook = statement_hook(); hook) hook(statement);
}

}  // namespace kms::sql
