#include "tools/kms/call.hpp"

#include <algorithm>
#include <array>

#include "tools/kms/condition_keys.hpp"
#include "tools/kms/errors.hpp"

namespace kms {
namespace {

constexpr std::size_t kMostParsed = 256;

struct Named {
  std::string_view name;
  Handler handler;
};
constexpr std::array kOperations{
    Named{"CancelKeyDeletion", cancel_key_deletion},
    Named{"ConnectCustomKeyStore", connect_custom_key_store},
    Named{"CreateAlias", create_alias},
    Named{"CreateCustomKeyStore", create_custom_key_store},
    Named{"CreateKey", create_key},
    Named{"Decrypt", decrypt},
    Named{"DeleteAlias", delete_alias},
    Named{"DeleteCustomKeyStore", delete_custom_key_store},
    Named{"DescribeCustomKeyStores", describe_custom_key_stores},
    Named{"DescribeKey", describe_key},
    Named{"DisableKey", disable_key},
    Named{"DisconnectCustomKeyStore", disconnect_custom_key_store},
    Named{"EnableKey", enable_key},
    Named{"Encrypt", encrypt},
    Named{"GenerateDataKey", generate_data_key},
    Named{"GenerateDataKeyPair", generate_data_key_pair},
    Named{"GenerateDataKeyPairWithoutPlaintext", generate_data_key_pair_without_plaintext},
    Named{"GenerateDataKeyWithoutPlaintext", generate_data_key_without_plaintext},
    Named{"GenerateRandom", generate_random},
    Named{"GetKeyPolicy", get_key_policy},
    Named{"GetPublicKey", get_public_key},
    Named{"ListAliases", list_aliases},
    Named{"ListKeyPolicies", list_key_policies},
    Named{"ListKeys", list_keys},
    Named{"PutKeyPolicy", put_key_policy},
    Named{"ReEncrypt", re_encrypt},
    Named{"ScheduleKeyDeletion", schedule_key_deletion},
    Named{"UpdateAlias", update_alias},
    Named{"UpdateCustomKeyStore", update_custom_key_store},
    Named{"UpdateKeyDescription", update_key_description},
};

[[noreturn]] void deny(const Call& call, const std::string& action, const std::string& resource, const std::string& why) {
  throw KmsError(ErrorName::kAccessDenied, "User: " + call.caller.arn + " is not authorized to perform: " + action +
                                               (resource.empty() ? "" : " on resource: " + resource) + " because " + why);
}

}  // namespace

Handler find_operation(std::string_view name) {
  for (const Named& operation : kOperations) {
    if (operation.name == name) return operation.handler;
  }
  return nullptr;
}

std::shared_ptr<const PolicyDocument> ParsedPolicies::of(const std::string& text) {
  {
    const std::scoped_lock lock(mutex_);
    const auto found = parsed_.find(text);
    if (found != parsed_.end()) return found->second;
  }
  auto parsed = std::make_shared<const PolicyDocument>(parse_key_policy(text));
  const std::scoped_lock lock(mutex_);
  if (parsed_.size() >= kMostParsed) parsed_.clear();
  parsed_.emplace(text, parsed);
  return parsed;
}

KeyRecord find_key(Call& call, const std::string& reference) {
  call.conditions.erase("kms:requestalias");
  const KeyReference named = parse_key_reference(call.parts.place, reference);
  call.event.key = named.name;
  std::optional<KeyRecord> key = named.is_alias ? call.parts.store.find_key_by_alias(call.parts.place.account, named.name)
                                                : call.parts.store.find_key({named.name});
  if (!key) {
    throw KmsError(ErrorName::kNotFound, named.is_alias ? "Alias " + alias_arn(call.parts.place, named.name) + " is not found."
                                                        : "Key '" + key_arn(call.parts.place, named.name) + "' does not exist");
  }
  if (named.is_alias) call.conditions["kms:requestalias"] = {named.name};
  call.event.key = key->id.text;
  return *std::move(key);
}

KeyRecord key_in_request(Call& call) { return find_key(call, call.fields.required_text("KeyId", 1, 2048)); }

RequestContext context_of(const Call& call, const KeyRecord& key, std::string_view action) {
  RequestContext context;
  context.action = "kms:" + std::string(action);
  context.resource = key_arn(call.parts.place, key.id.text);
  context.principal = call.caller.arn;
  context.account = call.caller.account;
  context.account_permits = call.caller.account_permits(context.action);
  context.keys = call.conditions;
  const auto set = [&](const char* name, std::string value) { context.keys[name] = {std::move(value)}; };
  set("aws:currenttime", std::to_string(call.now_seconds()));
  set("aws:epochtime", std::to_string(call.now_seconds()));
  set("aws:principalarn", call.caller.arn);
  set("aws:principalaccount", call.caller.account);
  set("kms:calleraccount", call.caller.account);
  set("aws:securetransport", call.parts.tls ? "true" : "false");
  set("kms:keyspec", key.key_spec);
  set("kms:keyusage", key.key_usage);
  set("kms:customermasterkeyspec", key.key_spec);
  set("kms:customermasterkeyusage", key.key_usage);
  set("kms:keyorigin", std::string(text_of(key.origin)));
  return context;
}

void authorize(Call& call, const KeyRecord& key, std::string_view action) {
  const RequestContext context = context_of(call, key, action);
  switch (evaluate(*call.parts.policies.of(key.policy), context)) {
    case Decision::kAllowed: return;
    case Decision::kDenied: deny(call, context.action, context.resource, "of an explicit deny in the key's policy");
    case Decision::kNotAllowed: break;
  }
  deny(call, context.action, context.resource, "no statement of the key's policy allows it");
}

void authorize_account(Call& call, std::string_view action) {
  const std::string full = "kms:" + std::string(action);
  if (!call.caller.account_permits(full)) deny(call, full, "", "its account does not permit it");
}

void require_usable(const Call& call, const KeyRecord& key) {
  const std::string arn = key_arn(call.parts.place, key.id.text);
  switch (key.state) {
    case KeyState::kEnabled: return;
    case KeyState::kDisabled: throw KmsError(ErrorName::kDisabled, arn + " is disabled.");
    case KeyState::kPendingDeletion: throw KmsError(ErrorName::kInvalidState, arn + " is pending deletion.");
    case KeyState::kUnavailable: throw KmsError(ErrorName::kInvalidState, arn + " is unavailable.");
  }
}

void end_dry_run(const Call& call) {
  if (call.fields.flag("DryRun")) {
    throw KmsError(ErrorName::kDryRunOperation,
                   "The request would have succeeded, but the DryRun option is set.");
  }
}

std::string policy_detail(std::string_view policy) {
  return "policy SHA-256 " + cofferdam::to_hex(cryptography::sha256(cofferdam::as_bytes(policy)));
}

double epoch_seconds(Time time) { return static_cast<double>(time.time_since_epoch().count()) / 1000.0; }

std::vector<std::string> algorithms_of(const std::string& key_spec) {
  if (key_spec == "SYMMETRIC_DEFAULT") return {"SYMMETRIC_DEFAULT"};
  return {"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"};
}

Json key_metadata(const Call& call, const KeyRecord& key) {
  Json data = {{"AWSAccountId", key.account},
               {"KeyId", key.id.text},
               {"Arn", key_arn(call.parts.place, key.id.text)},
               {"CreationDate", epoch_seconds(key.created)},
               {"Enabled", key.state == KeyState::kEnabled},
               {"Description", key.description},
               {"KeyUsage", key.key_usage},
               {"KeyState", text_of(key.state)},
               {"Origin", text_of(key.origin)},
               {"KeyManager", "CUSTOMER"},
               {"CustomerMasterKeySpec", key.key_spec},
               {"KeySpec", key.key_spec},
               {"EncryptionAlgorithms", algorithms_of(key.key_spec)},
               {"MultiRegion", false}};
  if (key.deletion) data["DeletionDate"] = epoch_seconds(*key.deletion);
  if (key.custom_key_store) data["CustomKeyStoreId"] = key.custom_key_store->text;
  if (key.xks_key) data["XksKeyConfiguration"] = {{"Id", *key.xks_key}};
  return data;
}

PageRequest page_request(const Call& call, std::size_t default_limit, std::size_t most, std::string_view limit_name) {
  PageRequest page;
  page.limit = static_cast<std::size_t>(
      call.fields.integer(limit_name, 1, static_cast<std::int64_t>(most)).value_or(static_cast<std::int64_t>(default_limit)));
  if (const std::optional<std::string> marker = call.fields.text("Marker", 1, 1024)) {
    const std::optional<cofferdam::Bytes> bytes = cofferdam::from_base64(*marker);
    if (!bytes || bytes->empty() || !cofferdam::is_valid_utf8(*bytes) || std::ranges::find(*bytes, 0) != bytes->end()) {
      throw KmsError(ErrorName::kInvalidMarker, "Could not deserialize marker '" + marker->substr(0, 64) + "'");
    }
    page.after = std::string(cofferdam::as_text(*bytes));
  }
  return page;
}

std::string marker_after(std::string_view last) { return cofferdam::to_base64(cofferdam::as_bytes(last)); }

}  // namespace kms
