#include "tools/kms/errors.hpp"

namespace kms {

std::string_view name_of(ErrorName name) {
  switch (name) {
    case ErrorName::kAccessDenied: return "AccessDeniedException";
    case ErrorName::kAlreadyExists: return "AlreadyExistsException";
    case ErrorName::kCloudHsmClusterInvalidConfiguration: return "CloudHsmClusterInvalidConfigurationException";
    case ErrorName::kCustomKeyStoreHasCmks: return "CustomKeyStoreHasCMKsException";
    case ErrorName::kCustomKeyStoreInvalidState: return "CustomKeyStoreInvalidStateException";
    case ErrorName::kCustomKeyStoreNameInUse: return "CustomKeyStoreNameInUseException";
    case ErrorName::kCustomKeyStoreNotFound: return "CustomKeyStoreNotFoundException";
    case ErrorName::kDependencyTimeout: return "DependencyTimeoutException";
    case ErrorName::kDisabled: return "DisabledException";
    case ErrorName::kDryRunOperation: return "DryRunOperationException";
    case ErrorName::kIncompleteSignature: return "IncompleteSignatureException";
    case ErrorName::kIncorrectKey: return "IncorrectKeyException";
    case ErrorName::kInternal: return "KMSInternalException";
    case ErrorName::kInvalidAliasName: return "InvalidAliasNameException";
    case ErrorName::kInvalidArn: return "InvalidArnException";
    case ErrorName::kInvalidCiphertext: return "InvalidCiphertextException";
    case ErrorName::kInvalidKeyUsage: return "InvalidKeyUsageException";
    case ErrorName::kInvalidMarker: return "InvalidMarkerException";
    case ErrorName::kInvalidSignature: return "InvalidSignatureException";
    case ErrorName::kInvalidState: return "KMSInvalidStateException";
    case ErrorName::kKeyUnavailable: return "KeyUnavailableException";
    case ErrorName::kKmsInvalidSignature: return "KMSInvalidSignatureException";
    case ErrorName::kLimitExceeded: return "LimitExceededException";
    case ErrorName::kMalformedPolicyDocument: return "MalformedPolicyDocumentException";
    case ErrorName::kMissingAuthenticationToken: return "MissingAuthenticationTokenException";
    case ErrorName::kNotFound: return "NotFoundException";
    case ErrorName::kSerialization: return "SerializationException";
    case ErrorName::kThrottling: return "ThrottlingException";
    case ErrorName::kUnknownOperation: return "UnknownOperationException";
    case ErrorName::kUnrecognizedClient: return "UnrecognizedClientException";
    case ErrorName::kUnsupportedOperation: return "UnsupportedOperationException";
    case ErrorName::kValidation: return "ValidationException";
    case ErrorName::kXksKeyAlreadyInUse: return "XksKeyAlreadyInUseException";
    case ErrorName::kXksKeyInvalidConfiguration: return "XksKeyInvalidConfigurationException";
    case ErrorName::kXksKeyNotFound: return "XksKeyNotFoundException";
    case ErrorName::kXksProxyIncorrectAuthenticationCredential:
      return "XksProxyIncorrectAuthenticationCredentialException";
    case ErrorName::kXksProxyInvalidConfiguration: return "XksProxyInvalidConfigurationException";
    case ErrorName::kXksProxyInvalidResponse: return "XksProxyInvalidResponseException";
    case ErrorName::kXksProxyUriEndpointInUse: return "XksProxyUriEndpointInUseException";
    case ErrorName::kXksProxyUriInUse: return "XksProxyUriInUseException";
    case ErrorName::kXksProxyUriUnreachable: return "XksProxyUriUnreachableException";
  }
  return "KMSInternalException";
}

int status_of(ErrorName name) {
  // JSON 1.1: the name tells the cause, the status only whose fault it is.
  if (name == ErrorName::kInternal) return 500;
  if (name == ErrorName::kDependencyTimeout) return 503;
  return 400;
}

KmsError validation(std::string_view member, std::string_view constraint) {
  return {ErrorName::kValidation, "1 validation error detected: Value at '" + std::string(member) +
                                      "' failed to satisfy constraint: " + std::string(constraint)};
}

}  // namespace kms
