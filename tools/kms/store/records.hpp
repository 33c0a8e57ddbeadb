// Records as rows and back, and their seals.
#pragma once

#include <string_view>

#include "tools/kms/store/sql.hpp"

namespace kms {

// Values of a row, in order. Throws StoreError when a column isn't what the schema says.
class RowReader {
 public:
  RowReader(const sql::Row& row, std::string what) : row_(row), what_(std::move(what)) {}
  std::int64_t number();
  std::string text();
  Bytes bytes();
  Time time() { return Time(std::chrono::milliseconds(number())); }
  cryptography::Digest256 digest();
  std::optional<std::string> optional_text();
  std::optional<Time> optional_time();
  bool next_is_null();  // and steps over it if so
  template <class T, class Parse>
  T word(Parse parse) {
    const std::optional<T> value = parse(text());
    if (!value) altered();
    return *value;
  }
  [[noreturn]] void altered() const;

 private:
  const sql::Value& next();
  const sql::Row& row_;
  std::string what_;  // for messages
  std::size_t at_{};
};

[[nodiscard]] inline sql::Value value_of(Time time) { return std::int64_t{time.time_since_epoch().count()}; }
[[nodiscard]] inline sql::Value value_of(std::uint64_t number) { return static_cast<std::int64_t>(number); }
[[nodiscard]] inline sql::Value value_of(std::string_view text) { return std::string(text); }
[[nodiscard]] inline sql::Value value_of(const std::optional<Time>& time) { return time ? value_of(*time) : sql::Value{}; }
[[nodiscard]] inline sql::Value value_of(const std::optional<std::string>& text) { return text ? sql::Value{*text} : sql::Value{}; }
[[nodiscard]] inline sql::Value value_of(const cryptography::Digest256& digest) { return Bytes(digest.begin(), digest.end()); }

// With `key` empty no seal is checked.
[[nodiscard]] KeyRecord key_of(RowReader& row, ByteView key);  // without its material
[[nodiscard]] std::optional<KeyMaterial> material_of(RowReader& row);
[[nodiscard]] AliasRecord alias_of(RowReader& row, ByteView key);
[[nodiscard]] CustomKeyStoreRecord custom_key_store_of(RowReader& row, ByteView key);
[[nodiscard]] WrappedSecret wrapped_of(RowReader& row);
[[nodiscard]] AuditEntry audit_entry_of(RowReader& row);

// An HMAC over all of the record except what is wrapped, which the wrapping binds to it.
[[nodiscard]] cryptography::Digest256 seal_of(const KeyRecord& record, ByteView key);
[[nodiscard]] cryptography::Digest256 seal_of(const AliasRecord& record, ByteView key);
[[nodiscard]] cryptography::Digest256 seal_of(const CustomKeyStoreRecord& record, ByteView key);

}  // namespace kms
