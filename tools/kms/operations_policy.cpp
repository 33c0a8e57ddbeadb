// Key policies: read and replaced.
#include <array>

#include "tools/kms/call.hpp"
#include "tools/kms/errors.hpp"

namespace kms {
namespace {

void check_policy_name(const Call& call) {
  const std::optional<std::string> name = call.fields.text("PolicyName", 1, 128);
  if (name && *name != "default") throw KmsError(ErrorName::kNotFound, "No such policy exists: a key's only policy is \"default\"");
}

}  // namespace

Json put_key_policy(Call& call) {
  check_policy_name(call);
  const std::string text = call.fields.required_text("Policy", 1, 131072);
  call.event.detail = policy_detail(text);
  const bool bypass = call.fields.flag("BypassPolicyLockoutSafetyCheck");
  call.conditions["kms:bypasspolicylockoutsafetycheck"] = {bypass ? "true" : "false"};
  const KeyRecord key = key_in_request(call);
  authorize(call, key, "PutKeyPolicy");
  const PolicyDocument policy = parse_key_policy(text);
  if (!bypass && evaluate(policy, context_of(call, key, "PutKeyPolicy")) != Decision::kAllowed) {
    throw KmsError(ErrorName::kMalformedPolicyDocument,
                   "The new key policy will not allow you to update the key policy in the future.");
  }
  KeyChange change;
  change.policy = text;
  change.only_revision = key.revision;
  // AWS KMS Developer Guide, "Key states": in each of them.
  constexpr std::array kAny{KeyState::kEnabled, KeyState::kDisabled, KeyState::kPendingDeletion, KeyState::kUnavailable};
  const KeyAnswer answer = call.parts.store.change_key(key.id, kAny, change, call.event);
  if (answer.outcome == Outcome::kConflict) throw Outdated();
  if (answer.outcome != Outcome::kDone) {
    throw KmsError(ErrorName::kNotFound, "Key '" + key_arn(call.parts.place, key.id.text) + "' does not exist");
  }
  call.in_the_log = true;
  return Json::object();
}

Json get_key_policy(Call& call) {
  check_policy_name(call);
  const KeyRecord key = key_in_request(call);
  authorize(call, key, "GetKeyPolicy");
  return {{"Policy", key.policy}, {"PolicyName", "default"}};
}

Json list_key_policies(Call& call) {
  const KeyRecord key = key_in_request(call);
  authorize(call, key, "ListKeyPolicies");
  return {{"PolicyNames", {"default"}}, {"Truncated", false}};
}

}  // namespace kms
