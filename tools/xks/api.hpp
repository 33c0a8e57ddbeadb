// The XKS proxy API v1 as both sides speak it: names, bounds, and the two computations that must agree.
// Source: aws/aws-kms-xksproxy-api-spec, xks_proxy_api_spec.md. Byte strings travel as RFC 4648 base64, with padding.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tools/cryptography/cryptography.hpp"

namespace xks {

using cofferdam::Bytes;
using cofferdam::ByteView;

inline constexpr std::string_view kApiPath = "/kms/xks/v1", kService = "kms-xks-proxy";
inline constexpr std::size_t kMostUriPath = 128, kMostUri = 256, kMostKeyId = 128, kMostArn = 2048;
inline constexpr std::size_t kMostAssociated = 8192, kMostMetadata = 20, kTag = 16, kMostErrorMessage = 511;
// What a proxy must take at least is 4300 bytes; ours takes this much and says UnsupportedOperationException beyond.
inline constexpr std::size_t kLeastPlaintext = 4300, kMostPlaintext = 8192;
inline constexpr std::size_t kMostBody = 64 * 1024;

// Error names of the proxy, with their HTTP status (table "Error codes").
enum class ErrorName : std::uint8_t {
  kValidation,
  kInvalidState,
  kInvalidCiphertext,
  kInvalidKeyUsage,
  kAuthenticationFailed,
  kAccessDenied,
  kKeyNotFound,
  kInvalidUriPath,
  kThrottling,
  kUnsupportedOperation,
  kDependencyTimeout,
  kInternal,
};
[[nodiscard]] std::string_view text_of(ErrorName name);  // "ValidationException"
[[nodiscard]] int status_of(ErrorName name);
[[nodiscard]] std::optional<ErrorName> error_name_of(std::string_view text);

// Who asks for what, as the key service tells the proxy ("requestMetadata").
struct RequestMetadata {
  std::string principal_arn;  // required but for health
  std::string key_arn;        // required for encrypt and decrypt
  std::string operation;      // the key service's call, "Decrypt"; required
  std::string request_id;     // opaque; required
  std::string via_service, source_vpc, source_vpce;  // may be empty
};

// The answer of encrypt, and what decrypt gets back.
struct Encrypted {
  Bytes ciphertext;
  Bytes metadata;  // up to 20 bytes of the proxy's own; empty: none
  Bytes iv;        // 12 or 16
  Bytes tag;       // 16
};

[[nodiscard]] bool is_key_id(std::string_view text);    // 1 to 128 of letters, digits, "-", "_", "."
[[nodiscard]] bool is_uri_path(std::string_view text);  // [/prefix]/kms/xks/v1
[[nodiscard]] bool is_access_key_id(std::string_view text);  // 20 to 30 of A-Z, 2-7
[[nodiscard]] bool is_secret(std::string_view text);         // 43 to 64 of letters, digits, "+", "/"
// Standard alphabet, with padding, nothing else: what encodes to the same text again.
[[nodiscard]] std::optional<Bytes> strict_base64(std::string_view text);

// SHA-256 over associated data, metadata, IV, ciphertext and tag (Appendix C).
[[nodiscard]] cryptography::Digest256 integrity_value(ByteView associated, const Encrypted& encrypted);
// What the key manager authenticates: both parts with their lengths, so that neither passes for the other ("Encrypt").
[[nodiscard]] Bytes authenticated_data(ByteView associated, ByteView metadata);

}  // namespace xks
