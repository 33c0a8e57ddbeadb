#include "tests/unit/tools/kms/store/databases.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace kms {
namespace {

constexpr const char* kUser = "nobody";

void shell(const std::string& command, const std::string& log) {
  if (std::system((command + " >>'" + log + "' 2>&1 </dev/null").c_str()) == 0) return;
  std::ifstream in(log);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  throw std::runtime_error(command + ": " + text.substr(text.size() < 2000 ? 0 : text.size() - 2000));
}

}  // namespace

ScratchFolder::ScratchFolder(On on) {
  const bool memory = on == On::kMemory && ::access("/dev/shm", W_OK | X_OK) == 0;
  std::string name = (memory ? "/dev/shm" : std::filesystem::temp_directory_path().string()) + "/kms-store-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
  path_ = name;
}
ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

StoreOptions TestDatabase::options() const {
  return {.url = url(), .connections = connections, .patience = patience, .clock = [this] { return now; }};
}
std::unique_ptr<Store> TestDatabase::open(const std::string& root_key) {
  wrappings_.push_back(std::make_unique<KeyWrapping>(root_keys, root_key));
  return open_store(options(), *wrappings_.back());
}
void TestDatabase::allow_changes_of_the_log() {
  for (const std::string& statement : drop_triggers()) tamper(statement);
}

std::vector<std::string> SqliteFile::drop_triggers() const {
  return {"DROP TRIGGER audit_is_not_changed", "DROP TRIGGER audit_is_not_deleted"};
}
void SqliteFile::tamper(const std::string& sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(file().c_str(), &database), SQLITE_OK);
  char* message = nullptr;
  EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &message), SQLITE_OK) << sql << ": " << message;
  sqlite3_free(message);
  sqlite3_close(database);
}

std::vector<std::string> PostgresqlTestDatabase::drop_triggers() const { return {"DROP TRIGGER audit_is_not_changed ON audit"}; }

std::unique_ptr<PostgresqlServer> PostgresqlServer::start(std::string& why_not) {
  std::string programs;
  std::error_code ignored;
  for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
    if (std::filesystem::exists(version.path() / "bin/initdb")) programs = (version.path() / "bin").string();
  }
  if (programs.empty()) {
    why_not = "PostgreSQL's server is not installed (package postgresql; ./x setup installs it)";
    return nullptr;
  }
  std::unique_ptr<PostgresqlServer> server(new PostgresqlServer);
  server->programs_ = programs;
  const std::string& folder = server->folder_.path();
  if (::geteuid() == 0) shell("chown " + std::string(kUser) + " '" + folder + "'", folder + "/log");
  shell("touch '" + folder + "/log' && chmod 666 '" + folder + "/log'", "/dev/null");
  shell(server->as_user("'" + programs + "/initdb' -D '" + folder + "/data' -U postgres -A trust -E UTF8 --locale=C --no-sync"),
        folder + "/log");
  std::ofstream settings(folder + "/data/postgresql.conf", std::ios::app);
  // fsync off: processes end here, no machine does.
  settings << "listen_addresses = ''\nunix_socket_directories = '" << folder << "'\nshared_buffers = 16MB\nmax_connections = 50\n"
           << "fsync = off\nmax_wal_size = 200MB\nmin_wal_size = 32MB\n";
  settings.close();
  server->start_server();
  return server;
}
// Both programs come with util-linux, which every Debian has.
std::string PostgresqlServer::as_user(const std::string& command) const {
  if (::geteuid() != 0) return command;
  return "cd / && setpriv --reuid=" + std::string(kUser) + " --regid=nogroup --clear-groups -- " + command;
}
// A child that ends with us, however we end: a test that crashes leaves no server.
void PostgresqlServer::start_server() {
  pid_ = ::fork();
  if (pid_ == 0) {
    const int log = ::open((folder_.path() + "/log").c_str(), O_WRONLY | O_APPEND);
    ::dup2(log, 1);
    ::dup2(log, 2);
    const std::string postgres = programs_ + "/postgres", data = folder_.path() + "/data";
    std::vector<const char*> words = {"setpriv", "--pdeathsig", "QUIT"};
    if (::geteuid() == 0) {
      for (const char* word : {"--reuid", kUser, "--regid", "nogroup", "--clear-groups"}) words.push_back(word);
    }
    for (const char* word : {"--", postgres.c_str(), "-D", data.c_str()}) words.push_back(word);
    words.push_back(nullptr);
    if (::chdir("/") == 0) ::execvp("setpriv", const_cast<char* const*>(words.data()));
    ::_exit(127);
  }
  const std::string ready = "'" + programs_ + "/pg_isready' -q -h '" + folder_.path() + "' >/dev/null 2>&1";
  for (int i = 0; i < 600; ++i) {
    if (std::system(ready.c_str()) == 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  throw std::runtime_error("PostgreSQL does not start: see its log");
}
void PostgresqlServer::end_server() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGQUIT);  // PostgreSQL's "immediate": no checkpoint, nothing is finished
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}
PostgresqlServer::~PostgresqlServer() { end_server(); }
void PostgresqlServer::crash_and_restart() {
  end_server();
  start_server();
}
std::string PostgresqlServer::url(const std::string& database) const {
  return "postgresql://postgres@/" + database + "?host=" + folder_.path();
}
void PostgresqlServer::run(const std::string& database, const std::string& sql) const {
  const std::string file = folder_.path() + "/statement.sql";
  std::ofstream(file) << "SET client_min_messages = warning; SET search_path = cofferdam_kms;\n" << sql << ";\n";
  shell("'" + programs_ + "/psql' -q -X -v ON_ERROR_STOP=1 -f '" + file + "' '" + url(database) + "'", folder_.path() + "/log");
}

std::string id_of(int number) {
  char text[37];
  std::snprintf(text, sizeof text, "%08x-1111-4222-8333-444455556666", static_cast<unsigned>(number));
  return text;
}

KeyRecord a_key(TestDatabase& database, const std::string& id, std::uint8_t first) {
  Bytes material(32, 0x5a);
  material[0] = first;
  KeyWrapping wrapping(database.root_keys, "root-1");
  KeyRecord key;
  key.id = {id};
  key.account = "111122223333";
  key.created = database.now;
  key.description = "key \"" + id + "\" \xc3\xa4";
  key.key_spec = "SYMMETRIC_DEFAULT";
  key.key_usage = "ENCRYPT_DECRYPT";
  key.policy = R"({"Version":"2012-10-17","Statement":[]})";
  key.material.push_back(wrapping.wrap_material(key.id, 1, material));
  return key;
}

AuditEvent an_event(const std::string& operation, const std::string& key) {
  return {.principal = "arn:aws:iam::111122223333:user/test", .operation = operation, .key = key, .outcome = "Success",
          .request = "00000000-0000-4000-8000-000000000000"};
}

}  // namespace kms
