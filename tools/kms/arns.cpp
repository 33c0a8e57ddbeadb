#include "tools/kms/arns.hpp"

#include <algorithm>

#include "tools/cryptography/cryptography.hpp"
#include "tools/kms/errors.hpp"

namespace kms {
namespace {

constexpr std::size_t kMaxKeyId = 2048;
constexpr std::size_t kUuidBytes = 16;

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

std::string prefix_of(const Place& place) { return "arn:aws:kms:" + place.region + ":" + place.account + ":"; }

}  // namespace

std::string key_arn(const Place& place, std::string_view key_id) { return prefix_of(place) + "key/" + std::string(key_id); }
std::string alias_arn(const Place& place, std::string_view alias) { return prefix_of(place) + std::string(alias); }

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !is_hex(text[i])) return false;
  }
  return true;
}

std::string new_uuid() {
  cofferdam::Bytes bytes = cryptography::random_bytes(kUuidBytes);
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0fU) | 0x40U);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3fU) | 0x80U);
  std::string text = cofferdam::to_hex(bytes);
  for (const std::size_t at : {8U, 13U, 18U, 23U}) text.insert(at, "-");
  return text;
}

KeyReference parse_key_reference(const Place& place, std::string_view text) {
  if (text.empty()) throw validation("keyId", "Member must have length greater than or equal to 1");
  if (text.size() > kMaxKeyId) throw validation("keyId", "Member must have length less than or equal to 2048");
  if (text.starts_with("arn:")) {
    const std::string prefix = prefix_of(place);
    if (!text.starts_with("arn:aws:kms:") || std::count(text.begin(), text.end(), ':') < 5) {
      throw KmsError(ErrorName::kInvalidArn, "Invalid arn " + std::string(text));
    }
    if (!text.starts_with(prefix)) {
      throw KmsError(ErrorName::kNotFound, "Invalid arn: it names another region or account than this service's " + prefix);
    }
    text.remove_prefix(prefix.size());
    if (text.starts_with("key/")) {
      text.remove_prefix(4);
    } else if (!text.starts_with("alias/")) {
      throw KmsError(ErrorName::kInvalidArn, "Invalid arn: neither a key's nor an alias's");
    }
  }
  if (text.starts_with("alias/")) return {true, std::string(text)};
  if (!is_uuid(text)) throw KmsError(ErrorName::kNotFound, "Invalid keyId '" + std::string(text) + "'");
  return {false, std::string(text)};
}

bool is_account(std::string_view text) {
  return text.size() == 12 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::string> account_of_principal(std::string_view arn) {
  for (const std::string_view prefix : {"arn:aws:iam::", "arn:aws:sts::"}) {
    if (!arn.starts_with(prefix)) continue;
    const std::string_view rest = arn.substr(prefix.size());
    if (rest.size() < 14 || rest[12] != ':' || !is_account(rest.substr(0, 12))) return std::nullopt;
    return std::string(rest.substr(0, 12));
  }
  return std::nullopt;
}

}  // namespace kms
