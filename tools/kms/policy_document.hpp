// Key policies as they are written: IAM's JSON (IAM User Guide, "Grammar of the IAM JSON policy language"), cut to what a key
// policy may have, and read so that nothing in it can be misunderstood: an unknown element, operator or condition key, a value of
// the wrong form and a key that stands twice are MalformedPolicyDocumentException, because a condition that is ignored opens a key.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/kms/arns.hpp"

namespace kms {

inline constexpr std::size_t kMaxPolicy = 32 * 1024;  // bytes, as AWS

enum class Comparison : std::uint8_t {
  kStringEquals,
  kStringNotEquals,
  kStringEqualsIgnoreCase,
  kStringNotEqualsIgnoreCase,
  kStringLike,
  kStringNotLike,
  kArnEquals,     // as ArnLike, which is how IAM has it
  kArnNotEquals,
  kNumericEquals,
  kNumericNotEquals,
  kNumericLessThan,
  kNumericLessThanEquals,
  kNumericGreaterThan,
  kNumericGreaterThanEquals,
  kDateEquals,
  kDateNotEquals,
  kDateLessThan,
  kDateLessThanEquals,
  kDateGreaterThan,
  kDateGreaterThanEquals,
  kBool,
  kNull,
};
enum class Quantifier : std::uint8_t { kOne, kForAnyValue, kForAllValues };

struct Condition {
  Comparison comparison{};
  Quantifier quantifier{Quantifier::kOne};
  bool if_exists{};
  std::string key;  // canonical: lower case
  std::vector<std::string> values;
};

enum class Effect : std::uint8_t { kAllow, kDeny };
struct Statement {
  std::string id;
  Effect effect{};
  bool anybody{};                        // "*" or {"AWS": "*"}
  std::vector<std::string> principals;   // ARNs
  std::vector<std::string> accounts;     // 12 digits; also what arn:aws:iam::ACCOUNT:root says
  bool actions_negated{};                // NotAction
  std::vector<std::string> actions;      // lower case, with * and ?
  bool resources_negated{};              // NotResource
  std::vector<std::string> resources;
  std::vector<Condition> conditions;     // all must hold
};
struct PolicyDocument {
  std::vector<Statement> statements;
};

// Throws KmsError (MalformedPolicyDocumentException, LimitExceededException above kMaxPolicy).
[[nodiscard]] PolicyDocument parse_key_policy(std::string_view json);

// What CreateKey gives a key without a policy: AWS's default, the account may do everything.
[[nodiscard]] std::string default_key_policy(const Place& place);

// Numbers and dates of conditions; NaN and nullopt: none. Dates: ISO 8601 in UTC ("2026-01-31T12:00:00Z", or a day) or Unix seconds.
[[nodiscard]] std::optional<double> number_of(std::string_view text);
[[nodiscard]] std::optional<double> date_of(std::string_view text);

}  // namespace kms
