#include "tools/kms/store/records.hpp"

#include "tools/kms/store/canonical_bytes.hpp"

namespace kms {
namespace {

template <class Enum, std::size_t size>
std::optional<Enum> parse_word(std::string_view text, const Enum (&all)[size]) {
  for (const Enum value : all) {
    if (text_of(value) == text) return value;
  }
  return std::nullopt;
}
constexpr KeyState kKeyStates[] = {KeyState::kEnabled, KeyState::kDisabled, KeyState::kPendingDeletion,
                                   KeyState::kUnavailable};
constexpr KeyOrigin kKeyOrigins[] = {KeyOrigin::kAwsKms, KeyOrigin::kExternalKeyStore};
constexpr ConnectionState kConnectionStates[] = {ConnectionState::kDisconnected, ConnectionState::kConnecting,
                                                 ConnectionState::kConnected, ConnectionState::kDisconnecting,
                                                 ConnectionState::kFailed};

void check_seal(const cryptography::Digest256& found, const cryptography::Digest256& right, const RowReader& row) {
  if (!cryptography::equal_in_constant_time(found, right)) row.altered();
}

}  // namespace

std::string_view text_of(KeyState state) {
  switch (state) {
    case KeyState::kEnabled: return "Enabled";
    case KeyState::kDisabled: return "Disabled";
    case KeyState::kPendingDeletion: return "PendingDeletion";
    case KeyState::kUnavailable: return "Unavailable";
  }
  return "?";
}

std::string_view text_of(KeyOrigin origin) {
  switch (origin) {
    case KeyOrigin::kAwsKms: return "AWS_KMS";
    case KeyOrigin::kExternalKeyStore: return "EXTERNAL_KEY_STORE";
  }
  return "?";
}

std::string_view text_of(ConnectionState state) {
  switch (state) {
    case ConnectionState::kDisconnected: return "DISCONNECTED";
    case ConnectionState::kConnecting: return "CONNECTING";
    case ConnectionState::kConnected: return "CONNECTED";
    case ConnectionState::kDisconnecting: return "DISCONNECTING";
    case ConnectionState::kFailed: return "FAILED";
  }
  return "?";
}

const sql::Value& RowReader::next() {
  if (at_ >= row_.size()) throw std::logic_error("a statement answers too few columns");
  return row_[at_++];
}

void RowReader::altered() const {
  throw StoreError("a record of the key store (" + what_ + ") was altered by someone other than the key service",
                   "Find out who writes to the store; restore it from a backup");
}

std::int64_t RowReader::number() {
  const auto* value = std::get_if<std::int64_t>(&next());
  if (value == nullptr) altered();
  return *value;
}

std::string RowReader::text() {
  const auto* value = std::get_if<std::string>(&next());
  if (value == nullptr) altered();
  return *value;
}

Bytes RowReader::bytes() {
  const auto* value = std::get_if<Bytes>(&next());
  if (value == nullptr) altered();
  return *value;
}

cryptography::Digest256 RowReader::digest() {
  const Bytes value = bytes();
  cryptography::Digest256 digest{};
  if (value.size() != digest.size()) altered();
  std::copy(value.begin(), value.end(), digest.begin());
  return digest;
}

bool RowReader::next_is_null() {
  if (at_ >= row_.size() || !std::holds_alternative<sql::Null>(row_[at_])) return false;
  ++at_;
  return true;
}

std::optional<std::string> RowReader::optional_text() {
  if (next_is_null()) return std::nullopt;
  return text();
}

std::optional<Time> RowReader::optional_time() {
  if (next_is_null()) return std::nullopt;
  return time();
}

WrappedSecret wrapped_of(RowReader& row) {
  WrappedSecret wrapped;
  wrapped.root_key = row.text();
  wrapped.iv = row.bytes();
  wrapped.ciphertext = row.bytes();
  wrapped.tag = row.bytes();
  return wrapped;
}

KeyRecord key_of(RowReader& row, ByteView key) {
  KeyRecord record;
  record.id.text = row.text();
  record.account = row.text();
  record.created = row.time();
  record.description = row.text();
  record.key_spec = row.text();
  record.key_usage = row.text();
  record.origin = row.word<KeyOrigin>([](std::string_view text) { return parse_word(text, kKeyOrigins); });
  record.state = row.word<KeyState>([](std::string_view text) { return parse_word(text, kKeyStates); });
  record.deletion = row.optional_time();
  record.policy = row.text();
  if (auto id = row.optional_text()) record.custom_key_store = CustomKeyStoreId{std::move(*id)};
  record.xks_key = row.optional_text();
  record.public_key = row.bytes();
  record.revision = static_cast<std::uint64_t>(row.number());
  const auto seal = row.digest();
  if (!key.empty()) check_seal(seal, seal_of(record, key), row);
  return record;
}

std::optional<KeyMaterial> material_of(RowReader& row) {
  if (row.next_is_null()) return std::nullopt;
  KeyMaterial material;
  material.version = static_cast<std::uint32_t>(row.number());
  material.wrapped = wrapped_of(row);
  return material;
}

AliasRecord alias_of(RowReader& row, ByteView key) {
  AliasRecord record;
  record.account = row.text();
  record.name = row.text();
  record.target.text = row.text();
  record.created = row.time();
  record.updated = row.time();
  const auto seal = row.digest();
  if (!key.empty()) check_seal(seal, seal_of(record, key), row);
  return record;
}

CustomKeyStoreRecord custom_key_store_of(RowReader& row, ByteView key) {
  CustomKeyStoreRecord record;
  record.id.text = row.text();
  record.account = row.text();
  record.name = row.text();
  record.type = row.text();
  record.created = row.time();
  record.state = row.word<ConnectionState>([](std::string_view text) { return parse_word(text, kConnectionStates); });
  record.failure = row.text();
  record.xks_endpoint = row.text();
  record.xks_path = row.text();
  record.connectivity = row.text();
  record.access_key_id = row.text();
  record.trusted_certificates = row.text();
  record.secret_access_key = wrapped_of(row);
  record.revision = static_cast<std::uint64_t>(row.number());
  const auto seal = row.digest();
  if (!key.empty()) check_seal(seal, seal_of(record, key), row);
  return record;
}

AuditEntry audit_entry_of(RowReader& row) {
  AuditEntry entry;
  entry.sequence = static_cast<std::uint64_t>(row.number());
  entry.time = row.time();
  entry.event.principal = row.text();
  entry.event.operation = row.text();
  entry.event.key = row.text();
  entry.event.outcome = row.text();
  entry.event.request = row.text();
  entry.event.recipient_pcr0 = row.optional_text();
  entry.event.detail = row.text();
  entry.hash = row.digest();
  entry.seal = row.digest();
  return entry;
}

cryptography::Digest256 seal_of(const KeyRecord& record, ByteView key) {
  CanonicalBytes bytes("cofferdam-kms key 1");
  bytes.add(record.id.text).add(record.account).add(record.created).add(record.description).add(record.key_spec);
  bytes.add(record.key_usage).add(text_of(record.origin)).add(text_of(record.state)).add(record.deletion).add(record.policy);
  bytes.add(record.custom_key_store ? std::optional(record.custom_key_store->text) : std::nullopt).add(record.xks_key);
  bytes.add(record.public_key).add(record.revision);
  return cryptography::hmac_sha256(key, bytes.bytes());
}

cryptography::Digest256 seal_of(const AliasRecord& record, ByteView key) {
  CanonicalBytes bytes("cofferdam-kms alias 1");
  bytes.add(record.account).add(record.name).add(record.target.text).add(record.created).add(record.updated);
  return cryptography::hmac_sha256(key, bytes.bytes());
}

cryptography::Digest256 seal_of(const CustomKeyStoreRecord& record, ByteView key) {
  CanonicalBytes bytes("cofferdam-kms custom key store 1");
  bytes.add(record.id.text).add(record.account).add(record.name).add(record.type).add(record.created);
  bytes.add(text_of(record.state)).add(record.failure).add(record.xks_endpoint).add(record.xks_path);
  bytes.add(record.connectivity).add(record.access_key_id).add(record.trusted_certificates).add(record.revision);
  return cryptography::hmac_sha256(key, bytes.bytes());
}

}  // namespace kms
