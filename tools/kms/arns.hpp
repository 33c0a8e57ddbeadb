// Names of keys: identifiers, ARNs, aliases, alias ARNs; all four may stand where a request has KeyId.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace kms {

// Where this service stands: the two fields that all its ARNs have.
struct Place {
  std::string region{"us-east-1"};
  std::string account{"000000000000"};
};

[[nodiscard]] std::string key_arn(const Place& place, std::string_view key_id);
// `alias` with its prefix "alias/".
[[nodiscard]] std::string alias_arn(const Place& place, std::string_view alias);

struct KeyReference {
  bool is_alias{};
  std::string name;  // a key's identifier, or "alias/..."
};
// Throws KmsError: ValidationException (too long, empty), InvalidArnException, NotFoundException (another region or account).
[[nodiscard]] KeyReference parse_key_reference(const Place& place, std::string_view text);

// "1234abcd-12ab-34cd-56ef-1234567890ab", lower case.
[[nodiscard]] bool is_uuid(std::string_view text);
[[nodiscard]] std::string new_uuid();  // version 4, RFC 9562
// "arn:aws:iam::123456789012:user/name" and its like: the account of a principal; nullopt: no such ARN.
[[nodiscard]] std::optional<std::string> account_of_principal(std::string_view arn);
[[nodiscard]] bool is_account(std::string_view text);  // 12 digits

}  // namespace kms
