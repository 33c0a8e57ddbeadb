#include "tools/xks/client.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "tools/https/client.hpp"
#include "tools/sigv4/sigv4.hpp"
#include "tools/strict_json/strict_json.hpp"
#include "tools/xks/host_addresses.hpp"

namespace xks {

struct Endpoint {
  std::string host;
  int port{443};
};

namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;
using std::chrono::milliseconds;

constexpr int kDeepest = 8;  // of an answer's JSON

Endpoint endpoint_of(const std::string& text) {
  constexpr std::string_view kScheme = "https://";
  if (!text.starts_with(kScheme)) throw std::invalid_argument("an XKS proxy's endpoint begins with https://");
  std::string_view rest = std::string_view(text).substr(kScheme.size());
  Endpoint endpoint;
  if (const std::size_t colon = rest.find(':'); colon != std::string_view::npos) {
    const std::string_view port = rest.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
    if (error != std::errc{} || end != port.data() + port.size() || endpoint.port < 1 || endpoint.port > 65535) {
      throw std::invalid_argument("the port of an XKS proxy's endpoint is 1 to 65535");
    }
    rest = rest.substr(0, colon);
  }
  const bool plain = std::ranges::all_of(rest, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
  if (rest.empty() || rest.size() > 253 || !plain) throw std::invalid_argument("an XKS proxy's endpoint names a host: https://host[:port]");
  endpoint.host = rest;
  return endpoint;
}

std::unexpected<Failure> fail(FailureKind kind, std::string message) { return std::unexpected(Failure{kind, std::move(message)}); }

std::string printable(std::string text) {
  std::erase_if(text, [](char c) { return c < ' ' || c > '~'; });
  text.resize(std::min(text.size(), kMostErrorMessage));
  return text;
}

FailureKind kind_of(ErrorName name) {
  switch (name) {
    case ErrorName::kValidation: return FailureKind::kRejected;
    case ErrorName::kInvalidState: return FailureKind::kKeyDisabled;
    case ErrorName::kInvalidCiphertext: return FailureKind::kInvalidCiphertext;
    case ErrorName::kInvalidKeyUsage: return FailureKind::kKeyUsage;
    case ErrorName::kAuthenticationFailed: return FailureKind::kAuthentication;
    case ErrorName::kAccessDenied: return FailureKind::kAccessDenied;
    case ErrorName::kKeyNotFound: return FailureKind::kKeyNotFound;
    case ErrorName::kInvalidUriPath: return FailureKind::kInvalidUri;
    case ErrorName::kThrottling: return FailureKind::kThrottled;
    case ErrorName::kUnsupportedOperation: return FailureKind::kUnsupported;
    case ErrorName::kDependencyTimeout: return FailureKind::kDependencyTimeout;
    case ErrorName::kInternal: return FailureKind::kInternal;
  }
  std::unreachable();
}

// What isn't 200. A name that doesn't fit its status is a broken answer, as is none at all.
Failure failure_of(const https::Response& response) {
  const std::optional<Json> body = strict_json::parse_object(response.body, kDeepest);
  const std::optional<std::string> name = body ? strict_json::string_at(*body, "errorName") : std::nullopt;
  const std::optional<ErrorName> known = name ? error_name_of(*name) : std::nullopt;
  if (!known || status_of(*known) != response.status) {
    return {FailureKind::kInvalidResponse, "HTTP " + std::to_string(response.status) + " without an error name that fits it"};
  }
  return {kind_of(*known), printable(*name + ": " + strict_json::string_at(*body, "errorMessage").value_or(""))};
}

Json metadata_json(const RequestMetadata& request) {
  Json json = {{"kmsOperation", request.operation}, {"kmsRequestId", request.request_id}};
  const auto add = [&json](const char* name, const std::string& value) {
    if (!value.empty()) json[name] = value;
  };
  add("awsPrincipalArn", request.principal_arn);
  add("kmsKeyArn", request.key_arn);
  add("kmsViaService", request.via_service);
  add("awsSourceVpc", request.source_vpc);
  add("awsSourceVpce", request.source_vpce);
  return json;
}

std::optional<Bytes> bytes_at(const Json& object, const char* name) {
  const auto text = strict_json::string_at(object, name);
  return text ? strict_base64(*text) : std::nullopt;
}

}  // namespace

std::string_view text_of(FailureKind kind) {
  switch (kind) {
    case FailureKind::kUnreachable: return "unreachable";
    case FailureKind::kTimeout: return "timeout";
    case FailureKind::kInvalidResponse: return "invalid response";
    case FailureKind::kAuthentication: return "authentication failed";
    case FailureKind::kInvalidUri: return "invalid URI path";
    case FailureKind::kKeyNotFound: return "key not found";
    case FailureKind::kKeyDisabled: return "key disabled";
    case FailureKind::kKeyUsage: return "key usage";
    case FailureKind::kAccessDenied: return "access denied";
    case FailureKind::kInvalidCiphertext: return "invalid ciphertext";
    case FailureKind::kThrottled: return "throttled";
    case FailureKind::kUnsupported: return "unsupported";
    case FailureKind::kDependencyTimeout: return "the proxy's key manager doesn't answer";
    case FailureKind::kInternal: return "the proxy or its key manager failed";
    case FailureKind::kRejected: return "rejected";
  }
  std::unreachable();
}

struct Client::State {
  using Connection = std::unique_ptr<https::Client>;

  [[nodiscard]] Connection connect(const std::string& to, milliseconds budget) const;
  // Where the proxy may be, the likeliest first; never none.
  [[nodiscard]] std::expected<std::vector<std::string>, Failure> targets(milliseconds budget) const;
  [[nodiscard]] std::expected<Json, Failure> call(const std::string& path, Json body, std::int64_t time);
  [[nodiscard]] std::expected<Json, Failure> key_call(std::string_view key_id, std::string_view call_name, Json body, std::int64_t time);
  [[nodiscard]] Connection take();
  void give_back(Connection connection);

  ProxyAddress address;
  Endpoint endpoint;
  std::string host;  // as the Host header says it
  std::unique_ptr<HostAddresses> addresses;  // nullptr: nothing to resolve
  std::mutex mutex;
  std::vector<Connection> idle;
};

Client::State::Connection Client::State::connect(const std::string& to, milliseconds budget) const {
  https::ClientOptions options;
  options.host = endpoint.host;
  options.port = endpoint.port;
  options.connect_to = to;
  options.ca_pem = address.ca_pem;
  options.client_certificate_pem = address.client_certificate_pem;
  options.client_key_pem = address.client_key_pem;
  options.minimum_tls = address.minimum_tls;
  options.connect_timeout = budget;
  options.read_timeout = budget;
  options.total_timeout = budget;
  options.largest_body = kMostBody;
  return std::make_unique<https::Client>(std::move(options));
}

std::expected<std::vector<std::string>, Failure> Client::State::targets(milliseconds budget) const {
  if (!addresses) return std::vector<std::string>{address.connect_to};
  const auto found = addresses->within(budget);
  if (!found) return fail(FailureKind::kTimeout, "the proxy's name was not resolved within " + std::to_string(address.budget.count()) + " ms");
  if (found->empty()) return fail(FailureKind::kUnreachable, "the proxy's name has no address");
  return *found;
}

Client::State::Connection Client::State::take() {
  const std::lock_guard lock(mutex);
  if (idle.empty()) return nullptr;
  Connection connection = std::move(idle.back());  // the one that was used last is the likeliest to be open still
  idle.pop_back();
  return connection;
}

void Client::State::give_back(Connection connection) {
  const std::lock_guard lock(mutex);
  if (idle.size() < address.connections) idle.push_back(std::move(connection));
}

std::expected<Json, Failure> Client::State::call(const std::string& path, Json body, std::int64_t time) {
  const auto begin = Clock::now();
  const auto left = [&] { return std::chrono::duration_cast<milliseconds>(begin + address.budget - Clock::now()); };
  https::Request request{.method = "POST", .target = address.uri_path + path,
                         .headers = {{"Host", host}, {"Content-Type", "application/json"}}, .body = body.dump(), .client_name = {}};
  sigv4::sign(request, {address.access_key_id, address.secret, {}}, {address.region, std::string(kService)}, time);
  const auto wiped = [&request] { std::ranges::fill(request.body, '\0'); };
  // A connection that lay idle may have been closed by the proxy: that one is replaced, once. What is new and fails, failed, when each
  // of the host's addresses was tried.
  std::vector<std::string> to;
  std::size_t next = 0;
  for (Connection connection = take();; connection = nullptr) {
    const bool reused = connection != nullptr;
    bool keep = reused;
    try {
      if (!reused) {
        if (to.empty()) {
          auto found = targets(left());
          if (!found) {
            wiped();
            return std::unexpected(std::move(found).error());
          }
          to = *std::move(found);
        }
        const milliseconds limit = std::max(left(), milliseconds(1));
        // The limit stays the connection's: one that was made late in its call would end later calls before their time.
        keep = limit >= address.budget * 9 / 10;
        connection = connect(to[next++], limit);
      }
      https::Response response = connection->send(request);
      const bool late = left().count() <= 0;
      if (keep && !late) give_back(std::move(connection));
      wiped();
      if (!reused && addresses) addresses->prefer(to[next - 1]);
      if (late) return fail(FailureKind::kTimeout, "no answer within " + std::to_string(address.budget.count()) + " ms");
      if (response.status != 200) return std::unexpected(failure_of(response));
      std::optional<Json> answer = strict_json::parse_object(response.body, kDeepest);
      std::ranges::fill(response.body, '\0');
      if (!answer) return fail(FailureKind::kInvalidResponse, "the answer is no JSON object");
      return std::move(*answer);
    } catch (const https::HttpsError& error) {
      if (reused && left() > address.budget / 2) continue;
      if (!reused && next < to.size() && left().count() > 5) continue;
      wiped();
      if (addresses) addresses->doubt();
      if (left().count() <= 5) return fail(FailureKind::kTimeout, "no answer within " + std::to_string(address.budget.count()) + " ms");
      return fail(FailureKind::kUnreachable, printable(error.what()));
    }
  }
}

std::expected<Json, Failure> Client::State::key_call(std::string_view key_id, std::string_view call_name, Json body, std::int64_t time) {
  if (!is_key_id(key_id)) return fail(FailureKind::kKeyNotFound, "an external key's id has 1 to 128 of letters, digits, '-', '_' and '.'");
  return call("/keys/" + std::string(key_id) + "/" + std::string(call_name), std::move(body), time);
}

Client::Client(ProxyAddress address)
    : now([] { return static_cast<std::int64_t>(std::time(nullptr)); }), state_(std::make_unique<State>()) {
  State& state = *state_;
  state.endpoint = endpoint_of(address.endpoint);
  if (!is_uri_path(address.uri_path)) throw std::invalid_argument("an XKS proxy's URI path is [/prefix]/kms/xks/v1, at most 128 characters");
  if (address.access_key_id.empty() || address.secret.empty()) throw std::invalid_argument("an XKS proxy is called with a credential");
  state.address = std::move(address);
  in_addr numeric{};
  if (state.address.connect_to.empty() && inet_pton(AF_INET, state.endpoint.host.c_str(), &numeric) != 1) {
    state.addresses = std::make_unique<HostAddresses>(state.endpoint.host, state.address.resolve);
  }
  state.host = state.endpoint.host + (state.endpoint.port == 443 ? "" : ":" + std::to_string(state.endpoint.port));
}

Client::~Client() = default;

std::expected<KeyMetadata, Failure> Client::metadata(std::string_view key_id, const RequestMetadata& request) {
  const auto answer = state_->key_call(key_id, "metadata", {{"requestMetadata", metadata_json(request)}}, now());
  if (!answer) return std::unexpected(answer.error());
  const auto spec = strict_json::string_at(*answer, "keySpec"), status = strict_json::string_at(*answer, "keyStatus");
  const auto usage = answer->find("keyUsage");
  if (!spec || !status || (*status != "ENABLED" && *status != "DISABLED") || usage == answer->end() || !usage->is_array() ||
      usage->size() > 10) {
    return fail(FailureKind::kInvalidResponse, "keySpec, keyStatus or keyUsage is missing or wrong");
  }
  KeyMetadata result{.is_aes_256 = *spec == "AES_256", .may_encrypt = false, .may_decrypt = false, .enabled = *status == "ENABLED", .usage = {}};
  for (const Json& item : *usage) {
    if (!item.is_string()) return fail(FailureKind::kInvalidResponse, "keyUsage has something that is no string");
    result.usage.push_back(printable(item.get<std::string>()));
    result.may_encrypt = result.may_encrypt || result.usage.back() == "ENCRYPT";
    result.may_decrypt = result.may_decrypt || result.usage.back() == "DECRYPT";
  }
  return result;
}

std::expected<Encrypted, Failure> Client::encrypt(std::string_view key_id, ByteView associated, ByteView plaintext,
                                                  const RequestMetadata& request) {
  Json body = {{"requestMetadata", metadata_json(request)},
               {"plaintext", cofferdam::to_base64(plaintext)},
               {"encryptionAlgorithm", "AES_GCM"},
               {"ciphertextDataIntegrityValueAlgorithm", "SHA_256"}};
  if (!associated.empty()) body["additionalAuthenticatedData"] = cofferdam::to_base64(associated);
  const auto answer = state_->key_call(key_id, "encrypt", std::move(body), now());
  if (!answer) return std::unexpected(answer.error());
  const auto ciphertext = bytes_at(*answer, "ciphertext"), iv = bytes_at(*answer, "initializationVector");
  const auto tag = bytes_at(*answer, "authenticationTag"), value = bytes_at(*answer, "ciphertextDataIntegrityValue");
  const bool has_metadata = answer->contains("ciphertextMetadata") && !answer->at("ciphertextMetadata").is_null();
  const auto metadata = has_metadata ? bytes_at(*answer, "ciphertextMetadata") : Bytes();
  if (!ciphertext || !iv || !tag || !metadata || ciphertext->size() != plaintext.size() || (iv->size() != 12 && iv->size() != 16) ||
      tag->size() != kTag || metadata->size() > kMostMetadata) {
    return fail(FailureKind::kInvalidResponse, "ciphertext, initializationVector, authenticationTag or ciphertextMetadata is missing or wrong");
  }
  Encrypted encrypted{.ciphertext = *ciphertext, .metadata = *metadata, .iv = *iv, .tag = *tag};
  if (!value || !cofferdam::equal(*value, integrity_value(associated, encrypted))) {
    return fail(FailureKind::kInvalidResponse, "ciphertextDataIntegrityValue is missing or another than the answer's");
  }
  return encrypted;
}

std::expected<cryptography::SecretBytes, Failure> Client::decrypt(std::string_view key_id, ByteView associated, const Encrypted& encrypted,
                                                                  const RequestMetadata& request) {
  Json body = {{"requestMetadata", metadata_json(request)},
               {"ciphertext", cofferdam::to_base64(encrypted.ciphertext)},
               {"encryptionAlgorithm", "AES_GCM"},
               {"initializationVector", cofferdam::to_base64(encrypted.iv)},
               {"authenticationTag", cofferdam::to_base64(encrypted.tag)}};
  if (!associated.empty()) body["additionalAuthenticatedData"] = cofferdam::to_base64(associated);
  if (!encrypted.metadata.empty()) body["ciphertextMetadata"] = cofferdam::to_base64(encrypted.metadata);
  auto answer = state_->key_call(key_id, "decrypt", std::move(body), now());
  if (!answer) return std::unexpected(answer.error());
  auto plaintext = bytes_at(*answer, "plaintext");
  if (auto found = answer->find("plaintext"); found != answer->end() && found->is_string()) {
    std::ranges::fill(found->get_ref<std::string&>(), '\0');
  }
  if (!plaintext) return fail(FailureKind::kInvalidResponse, "plaintext is missing or wrong");
  cryptography::SecretBytes secret(std::move(*plaintext));
  if (secret.size() != encrypted.ciphertext.size()) return fail(FailureKind::kInvalidResponse, "plaintext is of another size than the ciphertext");
  return secret;
}

std::expected<HealthStatus, Failure> Client::health(const RequestMetadata& request) {
  const Json metadata = {{"kmsOperation", request.operation}, {"kmsRequestId", request.request_id}};
  const auto answer = state_->call("/health", {{"requestMetadata", metadata}}, now());
  if (!answer) return std::unexpected(answer.error());
  const auto size = answer->find("xksProxyFleetSize"), fleet = answer->find("ekmFleetDetails");
  const auto vendor = strict_json::string_at(*answer, "xksProxyVendor"), model = strict_json::string_at(*answer, "xksProxyModel"), manager = strict_json::string_at(*answer, "ekmVendor");
  const bool sized = size != answer->end() && size->is_number_integer() && *size > 0 && *size <= 1000000;
  if (!sized || !vendor || !model || !manager || fleet == answer->end() || !fleet->is_array() || fleet->empty() || fleet->size() > 10) {
    return fail(FailureKind::kInvalidResponse, "the health status is missing something, or it is wrong");
  }
  HealthStatus result{.fleet_size = size->get<std::int64_t>(), .proxy_vendor = printable(*vendor), .proxy_model = printable(*model),
                      .manager_vendor = printable(*manager), .managers = {}};
  for (const Json& item : *fleet) {
    const auto id = item.is_object() ? strict_json::string_at(item, "id") : std::nullopt;
    const auto item_model = id ? strict_json::string_at(item, "model") : std::nullopt, status = id ? strict_json::string_at(item, "healthStatus") : std::nullopt;
    if (!item_model || !status || (*status != "ACTIVE" && *status != "DEGRADED" && *status != "UNAVAILABLE")) {
      return fail(FailureKind::kInvalidResponse, "an entry of ekmFleetDetails is wrong");
    }
    result.managers.push_back({printable(*id), printable(*item_model), *status});
  }
  return result;
}

}  // namespace xks
