// How the service refuses: AWS's name, its HTTP status and a sentence for the person who reads it.
// Source: AWS KMS API Reference, "Common Errors" and the errors of each operation; JSON 1.1 sends the name as `__type`.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace kms {

enum class ErrorName : std::uint8_t {
  kAccessDenied,
  kAlreadyExists,
  kCloudHsmClusterInvalidConfiguration,
  kCustomKeyStoreHasCmks,
  kCustomKeyStoreInvalidState,
  kCustomKeyStoreNameInUse,
  kCustomKeyStoreNotFound,
  kDependencyTimeout,
  kDisabled,
  kDryRunOperation,
  kIncompleteSignature,
  kIncorrectKey,
  kInternal,
  kInvalidAliasName,
  kInvalidArn,
  kInvalidCiphertext,
  kInvalidKeyUsage,
  kInvalidMarker,
  kInvalidSignature,
  kInvalidState,
  kKeyUnavailable,
  kKmsInvalidSignature,
  kLimitExceeded,
  kMalformedPolicyDocument,
  kMissingAuthenticationToken,
  kNotFound,
  kSerialization,
  kThrottling,
  kUnknownOperation,
  kUnrecognizedClient,
  kUnsupportedOperation,
  kValidation,
  kXksKeyAlreadyInUse,
  kXksKeyInvalidConfiguration,
  kXksKeyNotFound,
  kXksProxyIncorrectAuthenticationCredential,
  kXksProxyInvalidConfiguration,
  kXksProxyInvalidResponse,
  kXksProxyUriEndpointInUse,
  kXksProxyUriInUse,
  kXksProxyUriUnreachable,
};

[[nodiscard]] std::string_view name_of(ErrorName name);
[[nodiscard]] int status_of(ErrorName name);

class KmsError : public std::runtime_error {
 public:
  KmsError(ErrorName name, const std::string& message) : std::runtime_error(message), name_(name) {}
  [[nodiscard]] ErrorName name() const { return name_; }

 private:
  ErrorName name_;
};

// "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: ..."
[[nodiscard]] KmsError validation(std::string_view member, std::string_view constraint);

}  // namespace kms
