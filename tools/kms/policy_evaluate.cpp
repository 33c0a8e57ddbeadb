#include "tools/kms/policy_evaluate.hpp"

#include <algorithm>

#include "tools/kms/condition_keys.hpp"

namespace kms {
namespace {

bool is_negated(Comparison comparison) {
  switch (comparison) {
    case Comparison::kStringNotEquals:
    case Comparison::kStringNotEqualsIgnoreCase:
    case Comparison::kStringNotLike:
    case Comparison::kArnNotEquals:
    case Comparison::kNumericNotEquals:
    case Comparison::kDateNotEquals: return true;
    case Comparison::kStringEquals:
    case Comparison::kStringEqualsIgnoreCase:
    case Comparison::kStringLike:
    case Comparison::kArnEquals:
    case Comparison::kNumericEquals:
    case Comparison::kNumericLessThan:
    case Comparison::kNumericLessThanEquals:
    case Comparison::kNumericGreaterThan:
    case Comparison::kNumericGreaterThanEquals:
    case Comparison::kDateEquals:
    case Comparison::kDateLessThan:
    case Comparison::kDateLessThanEquals:
    case Comparison::kDateGreaterThan:
    case Comparison::kDateGreaterThanEquals:
    case Comparison::kBool:
    case Comparison::kNull: return false;
  }
  return false;
}

// An ARN's parts match one by one, so that a star doesn't reach over a colon.
bool matches_arn(std::string_view pattern, std::string_view arn) {
  for (int part = 0; part < 5; ++part) {
    const std::size_t a = pattern.find(':');
    const std::size_t b = arn.find(':');
    if (a == std::string_view::npos || b == std::string_view::npos) return false;
    if (!matches_pattern(pattern.substr(0, a), arn.substr(0, b))) return false;
    pattern.remove_prefix(a + 1);
    arn.remove_prefix(b + 1);
  }
  return matches_pattern(pattern, arn);
}

template <class Compare>
bool both(std::optional<double> actual, std::optional<double> wanted, Compare compare) {
  return actual && wanted && compare(*actual, *wanted);
}

// The comparison without its negation: a request's value against one of the policy's.
bool holds(Comparison comparison, const std::string& actual, const std::string& wanted) {
  const auto numbers = [&](auto compare) { return both(number_of(actual), number_of(wanted), compare); };
  const auto dates = [&](auto compare) { return both(date_of(actual), date_of(wanted), compare); };
  switch (comparison) {
    case Comparison::kStringEquals:
    case Comparison::kStringNotEquals: return actual == wanted;
    case Comparison::kStringEqualsIgnoreCase:
    case Comparison::kStringNotEqualsIgnoreCase:
    case Comparison::kBool: return lower_case(actual) == lower_case(wanted);
    case Comparison::kStringLike:
    case Comparison::kStringNotLike: return matches_pattern(wanted, actual);
    case Comparison::kArnEquals:
    case Comparison::kArnNotEquals: return matches_arn(wanted, actual);
    case Comparison::kNumericEquals:
    case Comparison::kNumericNotEquals: return numbers(std::equal_to<>());
    case Comparison::kNumericLessThan: return numbers(std::less<>());
    case Comparison::kNumericLessThanEquals: return numbers(std::less_equal<>());
    case Comparison::kNumericGreaterThan: return numbers(std::greater<>());
    case Comparison::kNumericGreaterThanEquals: return numbers(std::greater_equal<>());
    case Comparison::kDateEquals:
    case Comparison::kDateNotEquals: return dates(std::equal_to<>());
    case Comparison::kDateLessThan: return dates(std::less<>());
    case Comparison::kDateLessThanEquals: return dates(std::less_equal<>());
    case Comparison::kDateGreaterThan: return dates(std::greater<>());
    case Comparison::kDateGreaterThanEquals: return dates(std::greater_equal<>());
    case Comparison::kNull: return false;
  }
  return false;
}

bool satisfied(const Condition& condition, Effect effect, const RequestContext& request) {
  const auto found = request.keys.find(condition.key);
  const bool absent = found == request.keys.end() || found->second.empty();
  if (condition.comparison == Comparison::kNull) {
    return std::any_of(condition.values.begin(), condition.values.end(),
                       [&](const std::string& value) { return (lower_case(value) == "true") == absent; });
  }
  const bool negated = is_negated(condition.comparison);
  if (absent) {
    switch (condition.quantifier) {
      case Quantifier::kOne: return condition.if_exists || negated;
      case Quantifier::kForAllValues: return true;  // of no value at all everything is true: IAM User Guide warns of it
      case Quantifier::kForAnyValue: return condition.if_exists;
    }
  }
  // One value of the request: equal to any of the policy's, or, negated, to none.
  const auto one = [&](const std::string& actual) {
    const bool any = std::any_of(condition.values.begin(), condition.values.end(), [&](const std::string& wanted) {
      return holds(condition.comparison, actual, wanted);
    });
    return any != negated;
  };
  const std::vector<std::string>& actual = found->second;
  switch (condition.quantifier) {
    // Several values of a key that should have one (kms:EncryptionContext:NAME for names that differ in case): the stricter reading.
    case Quantifier::kOne:
      switch (effect) {
        case Effect::kAllow: return std::all_of(actual.begin(), actual.end(), one);
        case Effect::kDeny: return std::any_of(actual.begin(), actual.end(), one);
      }
      return false;
    case Quantifier::kForAllValues: return std::all_of(actual.begin(), actual.end(), one);
    case Quantifier::kForAnyValue: return std::any_of(actual.begin(), actual.end(), one);
  }
  return false;
}

bool any_matches(const std::vector<std::string>& patterns, std::string_view text) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) { return matches_pattern(pattern, text); });
}

bool names_caller(const Statement& statement, const RequestContext& request) {
  const auto has = [](const std::vector<std::string>& list, const std::string& text) {
    return std::find(list.begin(), list.end(), text) != list.end();
  };
  if (statement.anybody || has(statement.principals, request.principal)) return true;
  if (!has(statement.accounts, request.account)) return false;
  switch (statement.effect) {
    case Effect::kAllow: return request.account_permits;
    case Effect::kDeny: return true;
  }
  return true;
}

bool applies(const Statement& statement, const RequestContext& request) {
  return names_caller(statement, request) &&
         any_matches(statement.actions, lower_case(request.action)) != statement.actions_negated &&
         any_matches(statement.resources, request.resource) != statement.resources_negated &&
         std::all_of(statement.conditions.begin(), statement.conditions.end(),
                     [&](const Condition& condition) { return satisfied(condition, statement.effect, request); });
}

}  // namespace

Decision evaluate(const PolicyDocument& policy, const RequestContext& request) {
  bool allowed = false;
  for (const Statement& statement : policy.statements) {
    if (!applies(statement, request)) continue;
    switch (statement.effect) {
      case Effect::kDeny: return Decision::kDenied;
      case Effect::kAllow: allowed = true; break;
    }
  }
  return allowed ? Decision::kAllowed : Decision::kNotAllowed;
}

bool matches_pattern(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace kms
