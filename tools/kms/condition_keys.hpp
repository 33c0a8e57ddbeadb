// The condition keys that this service can evaluate. docs/key-service.md has the table for people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kms {

enum class KeyType : std::uint8_t { kString, kNumber, kDate, kBool, kArn, kMany };  // kMany: texts, needs ForAnyValue or ForAllValues

struct ConditionKey {
  std::string canonical;  // as Condition::key and RequestContext have it
  KeyType type{};
};
// Keys are compared without regard to case, the name in kms:EncryptionContext:NAME too (AWS KMS Developer Guide, "kms:EncryptionContext:
// context-key"); kms:EncryptionContextKeys has names as the request writes them. Nullopt: unknown.
[[nodiscard]] std::optional<ConditionKey> find_condition_key(std::string_view name);

[[nodiscard]] std::string lower_case(std::string_view text);

}  // namespace kms
