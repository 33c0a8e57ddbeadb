// What the service asks of a customer's key proxy (XKS proxy API v1) for a custom key store. Nothing is remembered: each request
// asks the proxy, so that keys are dead as soon as it is.
#pragma once

#include <memory>
#include <string>

#include "tools/cryptography/cryptography.hpp"
#include "tools/kms/store.hpp"

namespace kms {

// Where the proxy is and how it is spoken to. The secret is only as long in memory as the call.
struct ProxyAccess {
  std::string endpoint;  // https://host[:port]
  std::string path;      // [/prefix]/kms/xks/v1
  std::string access_key_id;
  std::string secret;
  std::string trusted_certificates;  // PEM; empty: the system's
};
// What the proxy learns of the request: it may decide by it.
struct ProxyRequest {
  std::string principal;   // ARN
  std::string key_arn;     // empty for health, and for a key that isn't made yet
  std::string operation;   // "Decrypt"
  std::string request_id;
};
struct ExternalCiphertext {
  Bytes iv, ciphertext, tag, metadata;
};

class ExternalKeys {
 public:
  virtual ~ExternalKeys() = default;
  // All throw KmsError. Health and metadata by the XksProxy..., XksKey... names; encrypt and decrypt KMSInvalidStateException for
  // whatever is the proxy's or its manager's fault (AWS does so too), InvalidCiphertextException when the proxy says that.
  virtual void check_health(const ProxyAccess& access, const ProxyRequest& request) = 0;
  virtual void check_key(const ProxyAccess& access, const std::string& key, const ProxyRequest& request) = 0;
  [[nodiscard]] virtual ExternalCiphertext encrypt(const ProxyAccess& access, const std::string& key, ByteView associated,
                                                   ByteView plaintext, const ProxyRequest& request) = 0;
  [[nodiscard]] virtual cryptography::SecretBytes decrypt(const ProxyAccess& access, const std::string& key, ByteView associated,
                                                          const ExternalCiphertext& sealed, const ProxyRequest& request) = 0;
};

// The real one, over HTTPS and SigV4; the region is that of its signatures.
[[nodiscard]] std::unique_ptr<ExternalKeys> make_xks_keys(const std::string& region);

}  // namespace kms
