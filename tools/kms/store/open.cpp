#include "tools/kms/key_wrapping.hpp"
#include "tools/kms/store/sql_store.hpp"

namespace kms {
namespace {

std::unique_ptr<SqlStore> open(const StoreOptions& options, sql::Access access) {
  const std::string_view url = options.url;
  constexpr std::string_view kSqlite = "sqlite:";
  if (url.starts_with(kSqlite) && url.size() > kSqlite.size()) {
    return std::make_unique<SqlStore>(sql::open_sqlite(options, url.substr(kSqlite.size()), access), options, access);
  }
  if (url.starts_with("postgresql://") || url.starts_with("postgres://")) {
    return std::make_unique<SqlStore>(sql::open_postgresql(options, access), options, access);
  }
  throw StoreError("the address of the key store is neither sqlite:FILE nor postgresql://...", "Write one of these");
}

}  // namespace

sql::StatementHook& sql::statement_hook() {
  static StatementHook hook;
  return hook;
}

std::unique_ptr<Store> open_store(const StoreOptions& options, KeyWrapping& wrapping) {
  auto store = open(options, sql::Access::kWrite);
  store->open_key(wrapping);
  return store;
}

std::unique_ptr<Store> open_store_to_read(const StoreOptions& options) { return open(options, sql::Access::kRead); }

std::unique_ptr<Store> open_store_to_read(const StoreOptions& options, KeyWrapping& wrapping) {
  auto store = open(options, sql::Access::kRead);
  store->open_key(wrapping);
  return store;
}

}  // namespace kms
