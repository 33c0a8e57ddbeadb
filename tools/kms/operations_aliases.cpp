// Aliases: names that stand for keys.
#include "tools/kms/call.hpp"
#include "tools/kms/errors.hpp"

namespace kms {
namespace {

std::string alias_in_request(Call& call) {
  const std::string alias = call.fields.required_text("AliasName", 1, 256);
  call.event.detail = alias;  // the entry's key is the one that it stands for
  constexpr std::string_view kPrefix = "alias/";
  bool right = alias.starts_with(kPrefix) && alias.size() > kPrefix.size();
  for (const char c : alias) {
    right = right && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ':' || c == '/' ||
                      c == '_' || c == '-');
  }
  if (!right) throw KmsError(ErrorName::kInvalidAliasName, "Alias must start with the prefix \"alias/\" and have only a-z, A-Z, 0-9, :, /, _ and - behind it.");
  if (alias.starts_with("alias/aws/")) throw KmsError(ErrorName::kNotFound, "aliases that begin with alias/aws/ are reserved");
  return alias;
}

KeyRecord target_in_request(Call& call) {
  const std::string reference = call.fields.required_text("TargetKeyId", 1, 2048);
  if (parse_key_reference(call.parts.place, reference).is_alias) {
    throw KmsError(ErrorName::kValidation, "Aliases must refer to keys. Not aliases");
  }
  return find_key(call, reference);
}

KeyAsRead as_read(const KeyRecord& key) { return {key.id, key.revision}; }

[[noreturn]] void refuse(Outcome outcome, const std::string& alias_arn_text) {
  if (outcome == Outcome::kConflict) throw Outdated();
  if (outcome == Outcome::kAlreadyExists) {
    throw KmsError(ErrorName::kAlreadyExists, "An alias with the name " + alias_arn_text + " already exists");
  }
  throw KmsError(ErrorName::kNotFound, "Alias " + alias_arn_text + " is not found.");
}

}  // namespace

Json create_alias(Call& call) {
  const std::string alias = alias_in_request(call);
  const KeyRecord key = target_in_request(call);
  authorize(call, key, "CreateAlias");
  if (key.state == KeyState::kPendingDeletion) require_usable(call, key);
  const AliasRecord record{call.parts.place.account, alias, key.id, call.now, call.now};
  const Outcome outcome = call.parts.store.create_alias(record, {.before = {}, .target = as_read(key)}, call.event);
  if (outcome != Outcome::kDone) refuse(outcome, alias_arn(call.parts.place, alias));
  call.in_the_log = true;
  return Json::object();
}

Json update_alias(Call& call) {
  const std::string alias = alias_in_request(call);
  const KeyRecord before = find_key(call, alias);  // both keys' policies must agree
  call.event.detail += ", before of " + before.id.text;
  authorize(call, before, "UpdateAlias");
  const KeyRecord key = target_in_request(call);
  authorize(call, key, "UpdateAlias");
  if (before.key_spec != key.key_spec || before.key_usage != key.key_usage) {
    throw KmsError(ErrorName::kValidation, "Aliases can be moved only between keys of the same KeySpec and KeyUsage.");
  }
  if (key.state == KeyState::kPendingDeletion) require_usable(call, key);
  const AliasRecord record{call.parts.place.account, alias, key.id, call.now, call.now};
  const Outcome outcome = call.parts.store.change_alias(record, {as_read(before), as_read(key)}, call.event);
  if (outcome != Outcome::kDone) refuse(outcome, alias_arn(call.parts.place, alias));
  call.in_the_log = true;
  return Json::object();
}

Json delete_alias(Call& call) {
  const std::string alias = alias_in_request(call);
  const KeyRecord key = find_key(call, alias);
  authorize(call, key, "DeleteAlias");
  const Outcome outcome = call.parts.store.delete_alias(call.parts.place.account, alias, {.before = as_read(key), .target = {}}, call.event);
  if (outcome != Outcome::kDone) refuse(outcome, alias_arn(call.parts.place, alias));
  call.in_the_log = true;
  return Json::object();
}

Json list_aliases(Call& call) {
  authorize_account(call, "ListAliases");
  std::optional<KeyId> of;
  if (call.fields.has("KeyId")) of = key_in_request(call).id;
  const PageRequest asked = page_request(call, 50, 100);
  if (!asked.after.empty() && !asked.after.starts_with("alias/")) {
    throw KmsError(ErrorName::kInvalidMarker, "the marker is not one of ListAliases");
  }
  const Page<AliasRecord> page = call.parts.store.list_aliases(call.parts.place.account, of, asked.after, asked.limit);
  Json aliases = Json::array();
  for (const AliasRecord& alias : page.records) {
    aliases.push_back({{"AliasName", alias.name},
                       {"AliasArn", alias_arn(call.parts.place, alias.name)},
                       {"TargetKeyId", alias.target.text},
                       {"CreationDate", epoch_seconds(alias.created)},
                       {"LastUpdatedDate", epoch_seconds(alias.updated)}});
  }
  Json answer = {{"Aliases", std::move(aliases)}, {"Truncated", page.more}};
  if (page.more) answer["NextMarker"] = marker_after(page.records.back().name);
  return answer;
}

}  // namespace kms
