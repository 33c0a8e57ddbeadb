// The bodies of the four calls: read whole, or refused by the name that the API has for it.
#pragma once

#include <string>
#include <string_view>

#include "tools/xks/api.hpp"

namespace xks {

struct Refusal {
  ErrorName name{};
  std::string message;  // printable ASCII, at most 511 characters; says nothing secret
};

enum class Call : std::uint8_t { kMetadata, kEncrypt, kDecrypt, kHealth };
[[nodiscard]] std::string_view text_of(Call call);

struct ParsedRequest {
  RequestMetadata metadata;
  Bytes associated;
  cryptography::SecretBytes plaintext;  // encrypt
  bool wants_integrity_value{false};    // encrypt
  Encrypted encrypted;                  // decrypt
};

// Throws Refusal.
[[nodiscard]] ParsedRequest parse_request(Call call, std::string_view body);

}  // namespace xks
