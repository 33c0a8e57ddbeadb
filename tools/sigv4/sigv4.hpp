// AWS Signature Version 4 (header form) for both sides: what a client signs, what a server checks.
// Source: "Signature Version 4 signing process", AWS General Reference; XKS proxy API v1, "Authentication".
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/https/server.hpp"

namespace sigv4 {

struct Credential {
  std::string access_key_id;
  std::string secret;
  std::string session_token;  // empty: none
};

struct Scope {
  std::string region;
  std::string service;  // "kms", "kms-xks-proxy"
};

// Adds x-amz-date, x-amz-security-token (when there is one) and Authorization. `host` must be among the headers already.
// `time` in Unix seconds. The path is normalised as for every service but S3.
void sign(https::Request& request, const Credential& credential, const Scope& scope, std::int64_t time);

enum class Fault : std::uint8_t {
  kMissing,       // no Authorization header, or one of another scheme
  kMalformed,     // it can't be read; or host or x-amz-date isn't signed
  kUnknownKey,    // nobody has this access key id
  kScope,         // another service, region, date or terminator
  kSkew,          // the request's time is too far from ours
  kMismatch,      // the signature is another
};
struct Verdict {
  std::optional<Fault> fault;
  std::string message;        // for the caller's error text; says nothing of secrets
  std::string access_key_id;  // whose request it is; set when there is no fault
};

struct Check {
  std::string service;
  std::string region;                  // empty: any
  std::int64_t time{};                 // now, Unix seconds
  std::int64_t most_skew_seconds{300};
  // The secret of an access key id (several may be valid at once: rotation); nullopt: unknown.
  std::function<std::optional<std::string>(std::string_view access_key_id)> secret_of;
};
// Signatures are compared in constant time. The body's hash is computed from the body, never taken from the request; an
// x-amz-content-sha256 that is there and differs is kMismatch.
[[nodiscard]] Verdict verify(const https::Request& request, const Check& check);

}  // namespace sigv4
