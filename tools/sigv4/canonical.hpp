// What both sides compute alike: the canonical request and the signature over it. For the files of this folder only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/cryptography/cryptography.hpp"
#include "tools/https/server.hpp"

namespace sigv4 {

inline constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
inline constexpr std::string_view kTerminator = "aws4_request";

[[nodiscard]] std::string lower(std::string_view text);
// Without blanks at both ends, runs of blanks as one.
[[nodiscard]] std::string trimmed(std::string_view value);

// `signed_names` in lower case. Nullopt: the target isn't a path with a query in plain ASCII, an encoding is broken, or a
// signed header is missing, or is there twice: which of them the next program believes isn't ours to guess.
[[nodiscard]] std::optional<std::string> canonical_request(const https::Request& request,
                                                           const std::vector<std::string>& signed_names);

struct SignedParts {
  std::string_view secret;
  std::string_view date_time;  // 20150830T123600Z
  std::string_view region;
  std::string_view service;
  std::string_view canonical_request;
};
[[nodiscard]] std::string signature(const SignedParts& parts);

// 20150830T123600Z both ways.
[[nodiscard]] std::string date_time_of(std::int64_t unix_seconds);
[[nodiscard]] std::optional<std::int64_t> unix_seconds_of(std::string_view date_time);

}  // namespace sigv4
