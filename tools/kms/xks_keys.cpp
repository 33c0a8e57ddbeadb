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

// The names are those of the API specification's table ("Error codes", KMS Considerations). Where it has none for an operation, as the
// proxy has no cause to answer so, the nearest one that the operation has.

// For CreateCustomKeyStore and UpdateCustomKeyStore, and what ConnectCustomKeyStore says of the connection.
ErrorName store_error(FailureKind kind) {
  switch (kind) {
    case FailureKind::kUnreachable:
    case FailureKind::kTimeout:
    case FailureKind::kThrottled:
    case FailureKind::kDependencyTimeout: return ErrorName::kXksProxyUriUnreachable;
    case FailureKind::kInvalidResponse:
    case FailureKind::kRejected:
    case FailureKind::kInternal: return ErrorName::kXksProxyInvalidResponse;
    case FailureKind::kAuthentication: return ErrorName::kXksProxyIncorrectAuthenticationCredential;
    case FailureKind::kInvalidUri:
    case FailureKind::kKeyNotFound:
    case FailureKind::kKeyDisabled:
    case FailureKind::kKeyUsage:
    case FailureKind::kAccessDenied:
    case FailureKind::kInvalidCiphertext:
    case FailureKind::kUnsupported: return ErrorName::kXksProxyInvalidConfiguration;
  }
  return ErrorName::kXksProxyInvalidConfiguration;
}

// For CreateKey.
ErrorName new_key_error(FailureKind kind) {
  switch (kind) {
    case FailureKind::kKeyNotFound: return ErrorName::kXksKeyNotFound;
    case FailureKind::kKeyDisabled:
    case FailureKind::kKeyUsage:
    case FailureKind::kUnsupported: return ErrorName::kXksKeyInvalidConfiguration;  // the table's XksKeyInvalidResponse isn't one of KMS's
    case FailureKind::kAccessDenied: return ErrorName::kInvalidState;
    case FailureKind::kUnreachable:
    case FailureKind::kTimeout:
    case FailureKind::kInvalidResponse:
    case FailureKind::kAuthentication:
    case FailureKind::kInvalidUri:
    case FailureKind::kInvalidCiphertext:
    case FailureKind::kThrottled:
    case FailureKind::kDependencyTimeout:
    case FailureKind::kInternal:
    case FailureKind::kRejected: return ErrorName::kCustomKeyStoreInvalidState;
  }
  return ErrorName::kCustomKeyStoreInvalidState;
}

[[noreturn]] void fail_with(ErrorName name, const xks::Failure& failure) {
  throw KmsError(name, "the external key store proxy: " + std::string(xks::text_of(failure.kind)) + ": " + failure.message);
}
[[noreturn]] void fail_store(const xks::Failure& failure) { fail_with(store_error(failure.kind), failure); }
[[noreturn]] void fail_new_key(const xks::Failure& failure) { fail_with(new_key_error(failure.kind), failure); }
// Cryptographic operations have one name, with the cause in words: also for a ciphertext that the proxy doesn't open.
[[noreturn]] void fail_key(const xks::Failure& failure) {
  if (failure.kind == FailureKind::kInvalidCiphertext) {
    throw KmsError(ErrorName::kInvalidState, "The request was rejected because the external key manager does not open this ciphertext: it was "
                                             "altered, or has another encryption context.");
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
    const auto found = client_of(access, fail_new_key)->metadata(key, metadata_of(request));
    if (!found) fail_new_key(found.error());
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
