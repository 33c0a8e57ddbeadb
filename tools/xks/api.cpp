#include "tools/xks/api.hpp"

#include <algorithm>
#include <array>

namespace xks {
namespace {

struct Named {
  ErrorName name;
  std::string_view text;
  int status;
};
constexpr std::array kNames = {
    Named{ErrorName::kValidation, "ValidationException", 400},
    Named{ErrorName::kInvalidState, "InvalidStateException", 400},
    Named{ErrorName::kInvalidCiphertext, "InvalidCiphertextException", 400},
    Named{ErrorName::kInvalidKeyUsage, "InvalidKeyUsageException", 400},
    Named{ErrorName::kAuthenticationFailed, "AuthenticationFailedException", 401},
    Named{ErrorName::kAccessDenied, "AccessDeniedException", 403},
    Named{ErrorName::kKeyNotFound, "KeyNotFoundException", 404},
    Named{ErrorName::kInvalidUriPath, "InvalidUriPathException", 404},
    Named{ErrorName::kThrottling, "ThrottlingException", 429},
    Named{ErrorName::kUnsupportedOperation, "UnsupportedOperationException", 501},
    Named{ErrorName::kDependencyTimeout, "DependencyTimeoutException", 503},
    Named{ErrorName::kInternal, "InternalException", 500},
};
const Named& named(ErrorName name) { return *std::ranges::find(kNames, name, &Named::name); }

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool only(std::string_view text, std::string_view others) {
  return std::ranges::all_of(text, [others](char c) { return is_letter_or_digit(c) || others.find(c) != std::string_view::npos; });
}
void append(Bytes& to, ByteView bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

}  // namespace

std::string_view text_of(ErrorName name) { return named(name).text; }
int status_of(ErrorName name) { return named(name).status; }

std::optional<ErrorName> error_name_of(std::string_view text) {
  const auto* found = std::ranges::find(kNames, text, &Named::text);
  return found == kNames.end() ? std::nullopt : std::optional(found->name);
}

bool is_key_id(std::string_view text) { return !text.empty() && text.size() <= kMostKeyId && only(text, "-_."); }

bool is_uri_path(std::string_view text) {
  return text.size() <= kMostUriPath && text.starts_with('/') && text.ends_with(kApiPath) && only(text, "/-_") &&
         text.find("//") == std::string_view::npos;
}

bool is_access_key_id(std::string_view text) {
  return text.size() >= 20 && text.size() <= 30 &&
         std::ranges::all_of(text, [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '2' && c <= '7'); });
}

bool is_secret(std::string_view text) { return text.size() >= 43 && text.size() <= 64 && only(text, "+/"); }

std::optional<Bytes> strict_base64(std::string_view text) {
  auto bytes = cofferdam::from_base64(text);
  if (!bytes || cofferdam::to_base64(*bytes) != text) return std::nullopt;
  return bytes;
}

cryptography::Digest256 integrity_value(ByteView associated, const Encrypted& encrypted) {
  Bytes all;
  append(all, associated);
  append(all, encrypted.metadata);
  append(all, encrypted.iv);
  append(all, encrypted.ciphertext);
  append(all, encrypted.tag);
  return cryptography::sha256(all);
}

Bytes authenticated_data(ByteView associated, ByteView metadata) {
  Bytes all = {static_cast<std::uint8_t>(associated.size() >> 8), static_cast<std::uint8_t>(associated.size())};
  append(all, associated);
  all.push_back(static_cast<std::uint8_t>(metadata.size()));
  append(all, metadata);
  return all;
}

}  // namespace xks
