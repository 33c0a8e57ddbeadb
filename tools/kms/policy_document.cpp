#include "tools/kms/policy_document.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>
#include <set>

#include "tools/kms/condition_keys.hpp"
#include "tools/kms/errors.hpp"
#include "tools/strict_json/strict_json.hpp"

namespace kms {
namespace {

using strict_json::Json;

constexpr std::size_t kMaxStatements = 200;
constexpr std::size_t kMaxValues = 500;

[[noreturn]] void malformed(const std::string& what) { throw KmsError(ErrorName::kMalformedPolicyDocument, what); }

enum class Kind : std::uint8_t { kText, kArn, kNumber, kDate, kBool, kNull };
struct Operator {
  std::string_view name;
  Comparison comparison;
  Kind kind;
};
constexpr std::array kOperators{
    Operator{"StringEquals", Comparison::kStringEquals, Kind::kText},
    Operator{"StringNotEquals", Comparison::kStringNotEquals, Kind::kText},
    Operator{"StringEqualsIgnoreCase", Comparison::kStringEqualsIgnoreCase, Kind::kText},
    Operator{"StringNotEqualsIgnoreCase", Comparison::kStringNotEqualsIgnoreCase, Kind::kText},
    Operator{"StringLike", Comparison::kStringLike, Kind::kText},
    Operator{"StringNotLike", Comparison::kStringNotLike, Kind::kText},
    Operator{"ArnEquals", Comparison::kArnEquals, Kind::kArn},
    Operator{"ArnLike", Comparison::kArnEquals, Kind::kArn},
    Operator{"ArnNotEquals", Comparison::kArnNotEquals, Kind::kArn},
    Operator{"ArnNotLike", Comparison::kArnNotEquals, Kind::kArn},
    Operator{"NumericEquals", Comparison::kNumericEquals, Kind::kNumber},
    Operator{"NumericNotEquals", Comparison::kNumericNotEquals, Kind::kNumber},
    Operator{"NumericLessThan", Comparison::kNumericLessThan, Kind::kNumber},
    Operator{"NumericLessThanEquals", Comparison::kNumericLessThanEquals, Kind::kNumber},
    Operator{"NumericGreaterThan", Comparison::kNumericGreaterThan, Kind::kNumber},
    Operator{"NumericGreaterThanEquals", Comparison::kNumericGreaterThanEquals, Kind::kNumber},
    Operator{"DateEquals", Comparison::kDateEquals, Kind::kDate},
    Operator{"DateNotEquals", Comparison::kDateNotEquals, Kind::kDate},
    Operator{"DateLessThan", Comparison::kDateLessThan, Kind::kDate},
    Operator{"DateLessThanEquals", Comparison::kDateLessThanEquals, Kind::kDate},
    Operator{"DateGreaterThan", Comparison::kDateGreaterThan, Kind::kDate},
    Operator{"DateGreaterThanEquals", Comparison::kDateGreaterThanEquals, Kind::kDate},
    Operator{"Bool", Comparison::kBool, Kind::kBool},
    Operator{"Null", Comparison::kNull, Kind::kNull},
};

std::vector<std::string> texts(const Json& json, const std::string& what, bool scalars) {
  std::vector<std::string> found;
  const auto add = [&](const Json& item) {
    if (item.is_string()) {
      found.push_back(item.get<std::string>());
    } else if (scalars && (item.is_boolean() || item.is_number())) {
      found.push_back(item.dump());
    } else {
      malformed(what + " must be a text or a list of texts");
    }
    if (found.back().size() > 2048) malformed(what + " is longer than 2048 bytes");
  };
  if (json.is_array()) {
    for (const Json& item : json) add(item);
  } else {
    add(json);
  }
  if (found.empty()) malformed(what + " is empty");
  if (found.size() > kMaxValues) malformed(what + " has more than 500 entries");
  for (const std::string& text : found) {
    // A variable that isn't replaced would be compared as it stands.
    if (text.find("${") != std::string::npos) malformed(what + " has a policy variable (\"${\"), which this service doesn't know");
  }
  return found;
}

void add_principal(Statement& statement, const std::string& text) {
  constexpr std::string_view kRoot = ":root";
  if (text == "*") {
    statement.anybody = true;
  } else if (is_account(text)) {
    statement.accounts.push_back(text);
  } else {
    const std::optional<std::string> account = account_of_principal(text);
    if (!account || text.find_first_of("*?") != std::string::npos) {
      malformed("Policy contains a statement with one or more invalid principals: \"" + text + "\"");
    }
    if (text.starts_with("arn:aws:iam::") && text.substr(25) == kRoot) {
      statement.accounts.push_back(*account);
    } else {
      statement.principals.push_back(text);
    }
  }
}

void read_principals(Statement& statement, const Json& json) {
  if (json.is_string() && json.get_ref<const std::string&>() == "*") {
    statement.anybody = true;
    return;
  }
  if (!json.is_object() || json.size() != 1 || !json.contains("AWS")) {
    malformed("\"Principal\" must be \"*\" or {\"AWS\": ...}; services and federated users don't call this service");
  }
  for (const std::string& text : texts(json["AWS"], "\"Principal\"", false)) add_principal(statement, text);
}

void read_actions(Statement& statement, const Json& json, bool negated) {
  statement.actions_negated = negated;
  for (const std::string& text : texts(json, negated ? "\"NotAction\"" : "\"Action\"", false)) {
    const std::string action = lower_case(text);
    if (action != "*" && !action.starts_with("kms:")) malformed("\"" + text + "\" is not an action of kms");
    statement.actions.push_back(action);
  }
}

Condition read_condition(std::string_view name, std::string_view key_name, const Json& values) {
  Condition condition;
  const std::string shown(name);
  for (const auto& [prefix, quantifier] : {std::pair{std::string_view("ForAnyValue:"), Quantifier::kForAnyValue},
                                           std::pair{std::string_view("ForAllValues:"), Quantifier::kForAllValues}}) {
    if (name.starts_with(prefix)) {
      condition.quantifier = quantifier;
      name.remove_prefix(prefix.size());
      break;
    }
  }
  constexpr std::string_view kIfExists = "IfExists";
  if (name.ends_with(kIfExists)) {
    condition.if_exists = true;
    name.remove_suffix(kIfExists.size());
  }
  const auto found = std::find_if(kOperators.begin(), kOperators.end(), [&](const Operator& o) { return o.name == name; });
  if (found == kOperators.end()) malformed("the condition operator \"" + shown + "\" is not known");
  condition.comparison = found->comparison;
  const std::optional<ConditionKey> key = find_condition_key(key_name);
  if (!key) malformed("the condition key \"" + std::string(key_name) + "\" is not known to this service");
  condition.key = key->canonical;
  if (found->kind == Kind::kNull && (condition.if_exists || condition.quantifier != Quantifier::kOne)) {
    malformed("\"" + shown + "\": Null has no such form");
  }
  if (key->type == KeyType::kMany && condition.quantifier == Quantifier::kOne && found->kind != Kind::kNull) {
    malformed("\"" + std::string(key_name) + "\" has several values: the operator needs ForAnyValue: or ForAllValues:");
  }
  bool fits = true;
  switch (found->kind) {
    case Kind::kText: fits = key->type == KeyType::kString || key->type == KeyType::kArn || key->type == KeyType::kMany; break;
    case Kind::kArn: fits = key->type == KeyType::kArn; break;
    case Kind::kNumber: fits = key->type == KeyType::kNumber || key->canonical == "aws:epochtime"; break;
    case Kind::kDate: fits = key->type == KeyType::kDate; break;
    case Kind::kBool: fits = key->type == KeyType::kBool; break;
    case Kind::kNull: fits = true; break;
  }
  if (!fits) malformed("\"" + shown + "\" does not fit the condition key \"" + std::string(key_name) + "\"");
  condition.values = texts(values, "the value of \"" + std::string(key_name) + "\"", true);
  for (const std::string& value : condition.values) {
    const bool right = found->kind == Kind::kNumber ? number_of(value).has_value()
                       : found->kind == Kind::kDate ? date_of(value).has_value()
                       : found->kind == Kind::kBool || found->kind == Kind::kNull
                           ? lower_case(value) == "true" || lower_case(value) == "false"
                           : true;
    if (!right) malformed("\"" + value + "\" is no value for " + shown);
  }
  return condition;
}

void read_conditions(Statement& statement, const Json& json) {
  if (!json.is_object()) malformed("\"Condition\" must be an object");
  for (const auto& [name, keys] : json.items()) {
    if (!keys.is_object() || keys.empty()) malformed("\"" + name + "\" must be an object of condition keys");
    for (const auto& [key, values] : keys.items()) statement.conditions.push_back(read_condition(name, key, values));
  }
}

Statement read_statement(const Json& json) {
  if (!json.is_object()) malformed("a statement must be an object");
  Statement statement;
  bool effect = false;
  bool principal = false;
  int actions = 0;
  int resources = 0;
  for (const auto& [key, value] : json.items()) {
    if (key == "Sid") {
      if (!value.is_string()) malformed("\"Sid\" must be a text");
      statement.id = value.get<std::string>();
    } else if (key == "Effect") {
      effect = value == "Allow" || value == "Deny";
      statement.effect = value == "Allow" ? Effect::kAllow : Effect::kDeny;
    } else if (key == "Principal") {
      principal = true;
      read_principals(statement, value);
    } else if (key == "Action" || key == "NotAction") {
      ++actions;
      read_actions(statement, value, key == "NotAction");
    } else if (key == "Resource" || key == "NotResource") {
      ++resources;
      statement.resources_negated = key == "NotResource";
      statement.resources = texts(value, "\"" + key + "\"", false);
    } else if (key == "Condition") {
      read_conditions(statement, value);
    } else {
      malformed("\"" + key + "\" is not known in a statement of a key policy");
    }
  }
  if (!effect) malformed("a statement needs \"Effect\": \"Allow\" or \"Deny\"");
  if (!principal) malformed("a statement of a key policy needs \"Principal\"");
  if (actions != 1) malformed("a statement needs one of \"Action\" and \"NotAction\"");
  if (resources != 1) malformed("a statement needs one of \"Resource\" and \"NotResource\"");
  return statement;
}

}  // namespace

PolicyDocument parse_key_policy(std::string_view json) {
  if (json.size() > kMaxPolicy) throw KmsError(ErrorName::kLimitExceeded, "a key policy may have 32 KiB");
  std::string why;
  const std::optional<Json> parsed = strict_json::parse(json, 16, why);
  if (!parsed) malformed("The policy is not valid JSON: " + why);
  if (!parsed->is_object()) malformed("a policy must be a JSON object");
  PolicyDocument document;
  bool version = false;
  for (const auto& [key, value] : parsed->items()) {
    if (key == "Version") {
      version = value == "2012-10-17" || value == "2008-10-17";
      if (!version) malformed("\"Version\" must be \"2012-10-17\"");
    } else if (key == "Id") {
      if (!value.is_string()) malformed("\"Id\" must be a text");
    } else if (key == "Statement") {
      if (value.is_array()) {
        if (value.size() > kMaxStatements) malformed("more than 200 statements");
        for (const Json& statement : value) document.statements.push_back(read_statement(statement));
      } else {
        document.statements.push_back(read_statement(value));
      }
    } else {
      malformed("\"" + key + "\" is not known in a key policy");
    }
  }
  if (!version) malformed("a policy needs \"Version\": \"2012-10-17\"");
  if (document.statements.empty()) malformed("a policy needs a statement");
  return document;
}

std::string default_key_policy(const Place& place) {
  return R"({
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::)" + place.account + R"(:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
})";
}

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{} || end != text.data() + text.size() || !(value < 1e18 && value > -1e18)) return std::nullopt;
  return value;
}

std::optional<double> date_of(std::string_view text) {
  const auto digits = [&](std::size_t at, std::size_t count) -> std::optional<int> {
    int value = 0;
    if (at + count > text.size()) return std::nullopt;
    const char* first = text.data() + at;
    const auto [end, error] = std::from_chars(first, first + count, value);
    if (error != std::errc{} || end != first + count || *first == '-') return std::nullopt;
    return value;
  };
  if (text.size() < 10 || text[4] != '-') return number_of(text);
  const std::optional<int> year = digits(0, 4);
  const std::optional<int> month = digits(5, 2);
  const std::optional<int> day = digits(8, 2);
  if (!year || !month || !day || text[7] != '-') return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  const auto start = std::chrono::sys_seconds(std::chrono::sys_days(date)).time_since_epoch().count();
  if (text.size() == 10) return static_cast<double>(start);
  if (text.size() != 20 || text[10] != 'T' || text[13] != ':' || text[16] != ':' || text[19] != 'Z') return std::nullopt;
  const std::optional<int> hour = digits(11, 2);
  const std::optional<int> minute = digits(14, 2);
  const std::optional<int> second = digits(17, 2);
  if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  return static_cast<double>(start + *hour * 3600 + *minute * 60 + *second);
}

}  // namespace kms
