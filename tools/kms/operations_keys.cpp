// Keys: made, described, listed, switched off and on, deleted after their waiting time.
#include <array>

#include "tools/kms/call.hpp"
#include "tools/kms/errors.hpp"

namespace kms {
namespace {

using cryptography::KeyKind;

constexpr std::size_t kMaxDescription = 8192;

std::optional<KeyKind> rsa_kind(const std::string& spec) {
  if (spec == "RSA_2048") return KeyKind::kRsa2048;
  if (spec == "RSA_3072") return KeyKind::kRsa3072;
  if (spec == "RSA_4096") return KeyKind::kRsa4096;
  return std::nullopt;
}

std::string key_spec_of(const Fields& fields) {
  constexpr std::array<std::string_view, 13> kSpecs{
      "SYMMETRIC_DEFAULT", "RSA_2048",      "RSA_3072",      "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521",
      "ECC_SECG_P256K1",   "HMAC_224",      "HMAC_256",      "HMAC_384", "HMAC_512",      "SM2"};
  const std::optional<std::string> spec = fields.word("KeySpec", kSpecs);
  const std::optional<std::string> old_name = fields.word("CustomerMasterKeySpec", kSpecs);
  if (spec && old_name && *spec != *old_name) {
    throw KmsError(ErrorName::kValidation, "You cannot specify KeySpec and CustomerMasterKeySpec in the same request.");
  }
  std::string chosen = spec ? *spec : old_name.value_or("SYMMETRIC_DEFAULT");
  if (chosen != "SYMMETRIC_DEFAULT" && !rsa_kind(chosen)) {
    throw KmsError(ErrorName::kUnsupportedOperation, "this service makes keys of SYMMETRIC_DEFAULT, RSA_2048, RSA_3072 and "
                                                     "RSA_4096, not of " + chosen);
  }
  return chosen;
}

void check_usage(const Fields& fields, const std::string& spec) {
  const std::optional<std::string> usage =
      fields.word("KeyUsage", {"ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT"});
  if (!usage && spec != "SYMMETRIC_DEFAULT") {
    throw KmsError(ErrorName::kValidation, "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.");
  }
  if (!usage || *usage == "ENCRYPT_DECRYPT") return;
  if (spec == "SYMMETRIC_DEFAULT") {
    throw KmsError(ErrorName::kValidation, "KeyUsage " + *usage + " is not compatible with KeySpec SYMMETRIC_DEFAULT");
  }
  throw KmsError(ErrorName::kUnsupportedOperation, "this service makes keys for ENCRYPT_DECRYPT only");
}

// A policy under which the caller couldn't write the next one is refused unless that is meant.
std::string policy_of_new_key(Call& call, const KeyRecord& key) {
  const std::optional<std::string> text = call.fields.text("Policy", 1, 131072);
  if (!text) return default_key_policy(call.parts.place);
  call.event.detail = policy_detail(*text);
  const PolicyDocument policy = parse_key_policy(*text);
  if (!call.fields.flag("BypassPolicyLockoutSafetyCheck") &&
      evaluate(policy, context_of(call, key, "PutKeyPolicy")) != Decision::kAllowed) {
    throw KmsError(ErrorName::kMalformedPolicyDocument,
                   "The new key policy will not allow you to update the key policy in the future.");
  }
  return *text;
}

// The key stays with the customer: its proxy is asked whether it may be used for this.
void bind_to_external_key(Call& call, KeyRecord& key) {
  const std::optional<std::string> store_id = call.fields.text("CustomKeyStoreId", 1, 64);
  const std::optional<std::string> xks_key = call.fields.text("XksKeyId", 1, 128);
  if (!store_id || !xks_key) {
    throw KmsError(ErrorName::kValidation, "Origin EXTERNAL_KEY_STORE needs CustomKeyStoreId and XksKeyId.");
  }
  if (key.key_spec != "SYMMETRIC_DEFAULT") {
    throw KmsError(ErrorName::kUnsupportedOperation, "keys of a custom key store are SYMMETRIC_DEFAULT");
  }
  for (const char c : *xks_key) {
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.')) {
      throw validation("xksKeyId", "Member must satisfy regular expression pattern: ^[a-zA-Z0-9-_.]+$");
    }
  }
  const std::optional<CustomKeyStoreRecord> store = call.parts.store.find_custom_key_store({*store_id});
  if (!store) throw KmsError(ErrorName::kCustomKeyStoreNotFound, "there is no custom key store " + *store_id);
  if (store->state != ConnectionState::kConnected) {
    throw KmsError(ErrorName::kCustomKeyStoreInvalidState, "the custom key store is not connected");
  }
  key.origin = KeyOrigin::kExternalKeyStore;
  key.custom_key_store = store->id;
  key.xks_key = *xks_key;
  call.parts.external.check_key(proxy_of(call, *store), *xks_key,
                                {call.caller.arn, "", "CreateKey", call.request_id});
}

void make_material(Call& call, KeyRecord& key) {
  const std::optional<KeyKind> kind = rsa_kind(key.key_spec);
  if (!kind) {
    const cryptography::SecretBytes secret = cryptography::random_secret(cryptography::kAes256Key);
    key.material.push_back(call.parts.wrapping.wrap_material(key.id, 1, secret.view()));
    return;
  }
  const cryptography::PrivateKey pair = cryptography::PrivateKey::generate(*kind);
  key.public_key = pair.public_key().spki();
  key.material.push_back(call.parts.wrapping.wrap_material(key.id, 1, pair.pkcs8().view()));
}

void change_state(Call& call, const KeyRecord& key, std::span<const KeyState> from, KeyChange change) {
  change.only_revision = key.revision;
  const KeyAnswer answer = call.parts.store.change_key(key.id, from, change, call.event);
  switch (answer.outcome) {
    case Outcome::kDone: call.in_the_log = true; return;
    case Outcome::kNotFound:
      throw KmsError(ErrorName::kNotFound, "Key '" + key_arn(call.parts.place, key.id.text) + "' does not exist");
    case Outcome::kWrongState:
      throw KmsError(ErrorName::kInvalidState, key_arn(call.parts.place, key.id.text) + " is " +
                                                   (!answer.state ? "gone."
                                                    : *answer.state == KeyState::kPendingDeletion
                                                        ? "pending deletion."
                                                        : std::string(text_of(*answer.state)) + "."));
    case Outcome::kConflict: throw Outdated();
    case Outcome::kAlreadyExists:
    case Outcome::kInUse: break;
  }
  throw KmsError(ErrorName::kInternal, "the key could not be changed");
}

constexpr std::array kUsableStates{KeyState::kEnabled, KeyState::kDisabled};
constexpr std::array kDeletableStates{KeyState::kEnabled, KeyState::kDisabled, KeyState::kUnavailable};
constexpr std::array kPendingState{KeyState::kPendingDeletion};

}  // namespace

Json create_key(Call& call) {
  authorize_account(call, "CreateKey");
  if (call.fields.flag("MultiRegion")) throw KmsError(ErrorName::kUnsupportedOperation, "multi-region keys are not made here");
  if (call.fields.count("Tags") != 0) throw KmsError(ErrorName::kUnsupportedOperation, "this service keeps no tags");
  KeyRecord key;
  key.id.text = new_uuid();
  key.account = call.parts.place.account;
  key.created = call.now;
  key.description = call.fields.text("Description", 0, kMaxDescription).value_or("");
  key.key_spec = key_spec_of(call.fields);
  check_usage(call.fields, key.key_spec);
  key.key_usage = "ENCRYPT_DECRYPT";
  call.event.key = key.id.text;
  const std::string origin =
      call.fields.word("Origin", {"AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"}).value_or("AWS_KMS");
  if (origin == "EXTERNAL" || origin == "AWS_CLOUDHSM") {
    throw KmsError(ErrorName::kUnsupportedOperation, "Origin " + origin + " is not offered here");
  }
  key.policy = policy_of_new_key(call, key);
  if (origin == "EXTERNAL_KEY_STORE") {
    bind_to_external_key(call, key);
  } else if (call.fields.has("CustomKeyStoreId") || call.fields.has("XksKeyId")) {
    throw KmsError(ErrorName::kValidation, "CustomKeyStoreId and XksKeyId need Origin EXTERNAL_KEY_STORE.");
  }
  make_material(call, key);
  const Outcome outcome = call.parts.store.create_key(key, call.event);
  if (outcome == Outcome::kNotFound) throw KmsError(ErrorName::kCustomKeyStoreNotFound, "the custom key store was deleted");
  if (outcome == Outcome::kInUse && key.xks_key) {
    throw KmsError(ErrorName::kXksKeyAlreadyInUse, "another key of this service has the external key " + *key.xks_key);
  }
  if (outcome != Outcome::kDone) throw KmsError(ErrorName::kInternal, "the key could not be kept");
  call.in_the_log = true;
  return {{"KeyMetadata", key_metadata(call, key)}};
}

Json describe_key(Call& call) {
  const KeyRecord key = key_in_request(call);
  authorize(call, key, "DescribeKey");
  Json metadata = key_metadata(call, key);
  // An external key can be used only while its store is connected; the record doesn't change for that.
  if (key.custom_key_store && key.state != KeyState::kPendingDeletion) {
    const std::optional<CustomKeyStoreRecord> store = call.parts.store.find_custom_key_store(*key.custom_key_store);
    if (!store || store->state != ConnectionState::kConnected) {
      metadata["KeyState"] = text_of(KeyState::kUnavailable);
      metadata["Enabled"] = false;
    }
  }
  return {{"KeyMetadata", std::move(metadata)}};
}

Json list_keys(Call& call) {
  authorize_account(call, "ListKeys");
  const PageRequest asked = page_request(call, 100, 1000);
  if (!asked.after.empty() && !is_uuid(asked.after)) throw KmsError(ErrorName::kInvalidMarker, "the marker is not one of ListKeys");
  const Page<KeyId> page = call.parts.store.list_keys(call.parts.place.account, asked.after, asked.limit);
  Json keys = Json::array();
  for (const KeyId& id : page.records) keys.push_back({{"KeyId", id.text}, {"KeyArn", key_arn(call.parts.place, id.text)}});
  Json answer = {{"Keys", std::move(keys)}, {"Truncated", page.more}};
  if (page.more) answer["NextMarker"] = marker_after(page.records.back().text);
  return answer;
}

Json schedule_key_deletion(Call& call) {
  const std::int64_t days = call.fields.integer("PendingWindowInDays", 7, 30).value_or(30);
  const KeyRecord key = key_in_request(call);
  call.conditions["kms:schedulekeydeletionpendingwindowindays"] = {std::to_string(days)};
  authorize(call, key, "ScheduleKeyDeletion");
  const Time due = call.now + std::chrono::days(days);
  KeyChange change;
  change.state = KeyState::kPendingDeletion;
  change.deletion = std::optional<Time>(due);
  change_state(call, key, kDeletableStates, change);
  return {{"KeyId", key_arn(call.parts.place, key.id.text)},
          {"DeletionDate", epoch_seconds(due)},
          {"KeyState", text_of(KeyState::kPendingDeletion)},
          {"PendingWindowInDays", days}};
}

Json cancel_key_deletion(Call& call) {
  const KeyRecord key = key_in_request(call);
  authorize(call, key, "CancelKeyDeletion");
  KeyChange change;
  change.state = KeyState::kDisabled;
  change.deletion = std::optional<Time>();
  change_state(call, key, kPendingState, change);
  return {{"KeyId", key_arn(call.parts.place, key.id.text)}};
}

Json enable_key(Call& call) {
  const KeyRecord key = key_in_request(call);
  authorize(call, key, "EnableKey");
  KeyChange change;
  change.state = KeyState::kEnabled;
  change_state(call, key, kUsableStates, change);
  return Json::object();
}

Json disable_key(Call& call) {
  const KeyRecord key = key_in_request(call);
  authorize(call, key, "DisableKey");
  KeyChange change;
  change.state = KeyState::kDisabled;
  change_state(call, key, kUsableStates, change);
  return Json::object();
}

Json update_key_description(Call& call) {
  const std::string description = call.fields.text("Description", 0, kMaxDescription).value_or("");
  const KeyRecord key = key_in_request(call);
  authorize(call, key, "UpdateKeyDescription");
  KeyChange change;
  change.description = description;
  change_state(call, key, kUsableStates, change);
  return Json::object();
}

Json get_public_key(Call& call) {
  const KeyRecord key = key_in_request(call);
  authorize(call, key, "GetPublicKey");
  if (key.public_key.empty()) {
    throw KmsError(ErrorName::kUnsupportedOperation, key_arn(call.parts.place, key.id.text) + " is a symmetric key: it has no public key.");
  }
  require_usable(call, key);
  end_dry_run(call);
  return {{"KeyId", key_arn(call.parts.place, key.id.text)},
          {"PublicKey", cofferdam::to_base64(key.public_key)},
          {"CustomerMasterKeySpec", key.key_spec},
          {"KeySpec", key.key_spec},
          {"KeyUsage", key.key_usage},
          {"EncryptionAlgorithms", algorithms_of(key.key_spec)}};
}

}  // namespace kms
