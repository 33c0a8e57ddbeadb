// Whether a key policy lets a request pass: an explicit deny wins, then an allow is needed, else the answer is no.
// Source: IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements: Condition operators".
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/kms/policy_document.hpp"

namespace kms {

struct RequestContext {
  std::string action;     // "kms:Decrypt"
  std::string resource;   // the key's ARN
  std::string principal;  // the caller's ARN
  std::string account;    // the caller's
  // Whether the caller's account gives it the action: what an identity policy is in AWS. An allow for the account alone
  // (arn:aws:iam::ACCOUNT:root) counts only then.
  bool account_permits{};
  std::map<std::string, std::vector<std::string>> keys;  // canonical name (condition_keys.hpp) -> values; absent: not there
};

enum class Decision : std::uint8_t { kAllowed, kDenied, kNotAllowed };  // kDenied: by a statement that says so

[[nodiscard]] Decision evaluate(const PolicyDocument& policy, const RequestContext& request);

// With * for any text and ? for one character; exact otherwise. In time proportional to the product of the lengths.
[[nodiscard]] bool matches_pattern(std::string_view pattern, std::string_view text);

}  // namespace kms
