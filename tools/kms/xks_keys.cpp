// The key service's side of an external key store: failures of the proxy under the names that AWS gives them.
#include <list>
#include <mutex>

#include "tools/kms/errors.hpp"
#include "tools/kms/external_keys.hpp"
#include "tools/xks/client.hpp"

namespace kms {
namespace {

using xks::FailureKind;

constexpr std::size_t kMostProxies = 64;  // clients that are kept; the least recently used goes first

// For operations on key stores and CreateKey ("CreateCustomKeyStore", "CreateKey", errors).
ErrorName store_error(FailureKind kind) {
  switch (kind) {
    case FailureKind::kUnreachable:
    case FailureKind::kTimeout: return ErrorName::kXksProxyUriUnreachable;
    case FailureKind::kInvalidResponse: return ErrorName::kXksProxyInvalidResponse;
    case FailureKind::kAuthentication: return ErrorName::kXksProxyIncorrectAuthenticationCredential;
    case FailureKind::kInvalidUri: return ErrorName::kXksProxyInvalidConfiguration;
    case FailureKind::kKeyNotFound: return ErrorName::kXksKeyNotFound;
    case FailureKind::kKeyDisabled:
    case FailureKind::kKeyUsage: return ErrorName::kXksKeyInvalidConfiguration;
    case FailureKind::kAccessDenied:
    case FailureKind::kInvalidCiphertext:
    case FailureKind::kThrottled:
    case FailureKind::kUnsupported:
    case FailureKind::kDependency:
    case FailureKind::kRejected: return ErrorName::kXksProxyInvalidConfiguration;
  }
  return ErrorName::kXksProxyInvalidConfiguration;
}

[[noreturn]] void fail_store(const xks::Failure& failure) {
  throw KmsError(store_error(failure.kind),
                 "the external key store proxy: " + std::string(xks::text_of(failure.kind)) + ": " + failure.message);
}
// Cryptographic operations tell one thing only, with the cause in words.
[[noreturn]] void fail_key(const xks::Failure& failure) {
  if (failure.kind == FailureKind::kInvalidCiphertext) {
    throw KmsError(ErrorName::kInvalidCiphertext, "the external key manager does not open this ciphertext");
  }
  throw KmsError(ErrorName::kInvalidState, "The request was rejected because of the external key store's proxy: " +
                                               std::string(xks::text_of(failure.kind)) + ": " + failure.message);
}

class XksKeys final : public ExternalKeys {
 public:
  explicit XksKeys(std::string region) : region_(std::move(region)) {}

  void check_health(const ProxyAccess& access, const ProxyRequest& request) override {
    const auto health = client_of(access, fail_store)->health(metadata_of(request));
    if (!health) fail_store(health.error());
  }
  void check_key(const ProxyAccess& access, const std::string& key, const ProxyRequest& request) override {
    const auto found = client_of(access, fail_store)->metadata(key, metadata_of(request));
    if (!found) fail_store(found.error());
    if (!found->is_aes_256 || !found->may_encrypt || !found->may_decrypt || !found->enabled) {
      throw KmsError(ErrorName::kXksKeyInvalidConfiguration,
                     "the external key must be an enabled AES-256 key that may encrypt and decrypt");
    }
  }
  ExternalCiphertext encrypt(const ProxyAccess& access, const std::string& key, ByteView associated, ByteView plaintext,
                             const ProxyRequest& request) override {
    auto sealed = client_of(access, fail_key)->encrypt(key, associated, plaintext, metadata_of(request));
    if (!sealed) fail_key(sealed.error());
    return {std::move(sealed->iv), std::move(sealed->ciphertext), std::move(sealed->tag), std::move(sealed->metadata)};
  }
  cryptography::SecretBytes decrypt(const ProxyAccess& access, const std::string& key, ByteView associated,
                                    const ExternalCiphertext& sealed, const ProxyRequest& request) override {
    auto plaintext = client_of(access, fail_key)
                         ->decrypt(key, associated, {sealed.ciphertext, sealed.metadata, sealed.iv, sealed.tag}, metadata_of(request));
    if (!plaintext) fail_key(plaintext.error());
    return *std::move(plaintext);
  }

 private:
  struct Kept {
    ProxyAccess access;
    std::shared_ptr<xks::Client> client;
  };

  static xks::RequestMetadata metadata_of(const ProxyRequest& request) {
    return {.principal_arn = request.principal,
            .key_arn = request.key_arn,
            .operation = request.operation,
            .request_id = request.request_id};
  }

  // One client, and so one pool of connections, for each proxy and credential: a rotated credential is another client.
  std::shared_ptr<xks::Client> client_of(const ProxyAccess& access, void (*fail)(const xks::Failure&)) {
    const std::scoped_lock lock(mutex_);
    for (auto kept = kept_.begin(); kept != kept_.end(); ++kept) {
      if (!same(kept->access, access)) continue;
      kept_.splice(kept_.begin(), kept_, kept);
      return kept_.front().client;
    }
    std::shared_ptr<xks::Client> client;
    try {
      client = std::make_shared<xks::Client>(xks::ProxyAddress{.endpoint = access.endpoint,
                                                               .uri_path = access.path,
                                                               .region = region_,
                                                               .access_key_id = access.access_key_id,
                                                               .secret = access.secret,
                                                               .ca_pem = access.trusted_certificates});
    } catch (const std::invalid_argument& error) {
      fail({FailureKind::kInvalidUri, error.what()});
    }
    kept_.push_front({access, client});
    if (kept_.size() > kMostProxies) kept_.pop_back();
    return client;
  }
  static bool same(const ProxyAccess& a, const ProxyAccess& b) {
    return a.endpoint == b.endpoint && a.path == b.path && a.access_key_id == b.access_key_id && a.secret == b.secret &&
           a.trusted_certificates == b.trusted_certificates;
  }

  std::string region_;
  std::mutex mutex_;
  std::list<Kept> kept_;  // most recently used first
};

}  // namespace

std::unique_ptr<ExternalKeys> make_xks_keys(const std::string& region) { return std::make_unique<XksKeys>(region); }

}  // namespace kms
