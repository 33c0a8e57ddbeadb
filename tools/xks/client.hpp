// What a key service calls an XKS proxy with: one connection pool for each proxy, for many threads. Nothing of a key is kept: a
// proxy that is unplugged is an error with the next call. An answer is bounded, checked whole and only then used.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/xks/api.hpp"

namespace xks {

struct ProxyAddress {
  std::string endpoint;       // https://host[:port]
  std::string uri_path;       // [/prefix]/kms/xks/v1
  std::string region;         // of the signature's scope
  std::string access_key_id;
  std::string secret;
  std::string ca_pem;         // authorities that are believed; empty: the system's
  std::string client_certificate_pem, client_key_pem;  // mTLS; empty: none
  std::string minimum_tls{"1.2"};                      // what the API asks of proxies
  std::string connect_to;     // not empty: this address instead of resolving the host
  // Tests set another one; empty: the system's. IP addresses of a host, as text; may take its time (host_addresses.hpp).
  std::function<std::vector<std::string>(const std::string& host)> resolve;
  std::chrono::milliseconds budget{250};  // of one call, resolving and connecting included
  // That are kept open between calls. One that was made when a tenth of a call's budget was gone is not kept: what was left is its limit.
  std::size_t connections{16};
};

// Why a call gave nothing. The key service turns it into its own exceptions (API specification, "Error codes", KMS Considerations;
// tools/kms/xks_keys.cpp): KMSInvalidStateException on keys, other names for CreateKey and for key stores.
enum class FailureKind : std::uint8_t {
  kUnreachable,      // no connection, TLS refused, or it broke
  kTimeout,          // no answer within the budget
  kInvalidResponse,  // an answer that breaks the API, or whose integrity value is wrong
  kAuthentication,   // 401
  kInvalidUri,       // 404 InvalidUriPath
  kKeyNotFound,
  kKeyDisabled,      // InvalidState
  kKeyUsage,         // InvalidKeyUsage
  kAccessDenied,     // the customer's own policy
  kInvalidCiphertext,
  kThrottled,
  kUnsupported,
  kDependencyTimeout,  // the proxy's key manager doesn't answer
  kInternal,           // it, or the proxy, failed
  kRejected,         // ValidationException: the proxy finds our request wrong
};
[[nodiscard]] std::string_view text_of(FailureKind kind);

struct Failure {
  FailureKind kind{};
  std::string message;  // for logs: the proxy's own words, printable ASCII; nothing secret
};

struct KeyMetadata {
  bool is_aes_256{}, may_encrypt{}, may_decrypt{}, enabled{};
  std::vector<std::string> usage;
};
struct HealthStatus {
  std::int64_t fleet_size{};
  std::string proxy_vendor, proxy_model, manager_vendor;
  struct Manager {
    std::string id, model, status;  // ACTIVE, DEGRADED or UNAVAILABLE
  };
  std::vector<Manager> managers;  // 1 to 10
};

class Client {
 public:
  // Throws std::invalid_argument when the address breaks the API's rules.
  explicit Client(ProxyAddress address);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] std::expected<KeyMetadata, Failure> metadata(std::string_view key_id, const RequestMetadata& request);
  // Always asks for the integrity value and checks it.
  [[nodiscard]] std::expected<Encrypted, Failure> encrypt(std::string_view key_id, ByteView associated, ByteView plaintext,
                                                          const RequestMetadata& request);
  [[nodiscard]] std::expected<cryptography::SecretBytes, Failure> decrypt(std::string_view key_id, ByteView associated,
                                                                          const Encrypted& encrypted, const RequestMetadata& request);
  [[nodiscard]] std::expected<HealthStatus, Failure> health(const RequestMetadata& request);
  // Unix seconds; tests set another clock.
  std::function<std::int64_t()> now;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace xks
