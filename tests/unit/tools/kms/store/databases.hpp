// Where the store's tests keep their data: a folder that goes away, and in it a SQLite file or a PostgreSQL server of its own.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/unit/tools/kms/memory_root_keys.hpp"
#include "tools/kms/store.hpp"

namespace kms {

inline const std::string kAccount = "111122223333";
inline constexpr KeyState kEnabledOnly[] = {KeyState::kEnabled};  // what most changes of a key ask of it

class ScratchFolder {
 public:
  enum class On : std::uint8_t { kDisk, kMemory };
  explicit ScratchFolder(On on);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// What a scenario is run on: an empty database, and a way to do to it what only its administrator can.
class TestDatabase {
 public:
  virtual ~TestDatabase() = default;
  [[nodiscard]] virtual std::string url() const = 0;
  virtual void tamper(const std::string& sql) = 0;  // behind the store's back
  void allow_changes_of_the_log();                  // drops the triggers

  [[nodiscard]] std::unique_ptr<Store> open(const std::string& root_key = "root-1");
  [[nodiscard]] std::unique_ptr<Store> open_to_read() const { return open_store_to_read(options()); }
  [[nodiscard]] StoreOptions options() const;
  MemoryRootKeys root_keys{"root-1", "root-2"};
  Time now{std::chrono::seconds(1'700'000'000)};  // the store's clock
  std::size_t connections{4};
  std::chrono::milliseconds patience{5000};

 protected:
  [[nodiscard]] virtual std::vector<std::string> drop_triggers() const = 0;
  std::vector<std::unique_ptr<KeyWrapping>> wrappings_;
};

class SqliteFile final : public TestDatabase {
 public:
  [[nodiscard]] std::string file() const { return folder_.path() + "/keys.db"; }
  [[nodiscard]] std::string url() const override { return "sqlite:" + file(); }
  void tamper(const std::string& sql) override;

 private:
  [[nodiscard]] std::vector<std::string> drop_triggers() const override;
  ScratchFolder folder_{ScratchFolder::On::kMemory};  // hundreds of files, each synced: a disk takes minutes
};

// A server on a socket in a scratch folder, run by an unprivileged user: PostgreSQL refuses to be root's.
class PostgresqlServer {
 public:
  // Nullptr, and why: PostgreSQL is not installed.
  static std::unique_ptr<PostgresqlServer> start(std::string& why_not);
  ~PostgresqlServer();
  [[nodiscard]] std::string url(const std::string& database) const;
  void run(const std::string& database, const std::string& sql) const;
  void crash_and_restart();  // no shutdown: its processes are ended at once

 private:
  PostgresqlServer() = default;
  [[nodiscard]] std::string as_user(const std::string& command) const;
  void start_server();
  void end_server();
  ScratchFolder folder_{ScratchFolder::On::kDisk};
  std::string programs_;
  pid_t pid_{-1};
};

class PostgresqlTestDatabase final : public TestDatabase {
 public:
  PostgresqlTestDatabase(const PostgresqlServer& server, std::string name, const std::string& original = "template1")
      : server_(server), name_(std::move(name)) {
    server_.run("postgres", "CREATE DATABASE " + name_ + " TEMPLATE " + original);
  }
  [[nodiscard]] std::string url() const override { return server_.url(name_); }
  void tamper(const std::string& sql) override { server_.run(name_, sql); }

 private:
  [[nodiscard]] std::vector<std::string> drop_triggers() const override;
  const PostgresqlServer& server_;
  std::string name_;
};

// A key as CreateKey makes one, its material 32 bytes that begin with `first`.
[[nodiscard]] KeyRecord a_key(TestDatabase& database, const std::string& id, std::uint8_t first = 1);
[[nodiscard]] AuditEvent an_event(const std::string& operation, const std::string& key = "");
[[nodiscard]] std::string id_of(int number);  // a UUID

}  // namespace kms
