#include "tools/xks/proxy.hpp"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "tools/sigv4/sigv4.hpp"
#include "tools/xks/route.hpp"

namespace xks {
namespace {

using Json = nlohmann::json;
using cofferdam::to_base64;
using cryptography::SecretBytes;

constexpr std::string_view kVendor = "Cofferdam", kModel = "cofferdam-xks 1";
// Our ciphertext metadata: the version of how the authenticated data is put together ("Encrypt", ciphertextMetadata).
const Bytes kMetadataVersion = {1};

https::Response json_response(int status, const Json& body) {
  return {.status = status, .content_type = "application/json", .headers = {}, .body = body.dump(-1, ' ', true, Json::error_handler_t::replace)};
}

bool is_json(const https::Request& request) {
  const std::string_view type = request.header("Content-Type").value_or("");
  const std::string_view wanted = "application/json";
  return type.size() >= wanted.size() && std::ranges::equal(type.substr(0, wanted.size()), wanted, [](char a, char b) { return (a | 32) == (b | 32); }) &&
         (type.size() == wanted.size() || type[wanted.size()] == ';' || type[wanted.size()] == ' ');
}

// What a token's error means to the caller: the key may be gone while the token is there.
struct TokenFailure {
  bool failed{false}, key_missing{false};
  std::string detail;
};
TokenFailure failure_of(pkcs11::Token& token, const std::string& label, const pkcs11::TokenError& error) {
  TokenFailure failure{.failed = true, .key_missing = false, .detail = error.what()};
  try {
    failure.key_missing = !token.find(label).has_value();
  } catch (const std::exception&) {  // the token is away: that is the failure
  }
  return failure;
}

// What runs in the token owns all that it touches: it may be given up.
struct SealJob {
  std::shared_ptr<pkcs11::Token> token;
  std::string label;
  Bytes associated;
  SecretBytes plaintext;
  bool checked{false};
  TokenFailure failure;
  Encrypted encrypted;
  cryptography::Digest256 integrity{};

  void run() {
    const Bytes authenticated = authenticated_data(associated, kMetadataVersion);
    pkcs11::Token::Sealed sealed = token->seal(label, authenticated, plaintext.view());
    encrypted = {.ciphertext = std::move(sealed.ciphertext), .metadata = kMetadataVersion, .iv = std::move(sealed.iv), .tag = std::move(sealed.tag)};
    if (!checked) return;
    // In this order (Appendix C): a bit that flips between the two is noticed by one of them.
    integrity = integrity_value(associated, encrypted);
    const auto again = token->open(label, encrypted.iv, authenticated, encrypted.ciphertext, encrypted.tag);
    if (!again || !cryptography::equal_in_constant_time(again->view(), plaintext.view())) {
      throw pkcs11::TokenError("what the token encrypted doesn't decrypt to the same");
    }
  }
};
struct OpenJob {
  std::shared_ptr<pkcs11::Token> token;
  std::string label;
  Bytes associated;
  Encrypted encrypted;
  TokenFailure failure;
  std::optional<SecretBytes> plaintext;

  void run() {
    plaintext = token->open(label, encrypted.iv, authenticated_data(associated, encrypted.metadata), encrypted.ciphertext, encrypted.tag);
  }
};
struct MetadataJob {
  std::shared_ptr<pkcs11::Token> token;
  std::string label;
  TokenFailure failure;
  std::size_t size{};  // of the key, bytes; 0: unknown

  void run() { size = token->known(label).size; }
};
struct HealthJob {
  std::shared_ptr<pkcs11::Token> token;
  std::string label;  // of the test key
  TokenFailure failure;
  std::string id, model, vendor;

  void run() {
    token->ping();
    if (!label.empty()) {
      const Bytes probe(32, 0x58);
      const auto sealed = token->seal(label, {}, probe);
      const auto opened = token->open(label, sealed.iv, {}, sealed.ciphertext, sealed.tag);
      if (!opened || !cofferdam::equal(opened->view(), probe)) throw pkcs11::TokenError("the token doesn't decrypt what it encrypted");
    }
    id = token->serial();
    model = token->model();
    vendor = token->manufacturer();
  }
};

}  // namespace

Proxy::Proxy(Configuration configuration, std::shared_ptr<pkcs11::Token> token, AuditLog& audit)
    : now([] { return static_cast<std::int64_t>(std::time(nullptr)); }), token_(std::move(token)), audit_(audit),
      configuration_(std::make_shared<const Configuration>(std::move(configuration))),
      work_(configuration_->token_threads, configuration_->token_threads * 16) {}

void Proxy::replace(Configuration configuration) {
  const std::lock_guard lock(mutex_);
  auto fresh = std::make_shared<Configuration>(*configuration_);
  fresh->uri_path = std::move(configuration.uri_path);
  fresh->region = std::move(configuration.region);
  fresh->token_budget = configuration.token_budget;
  fresh->health_key = std::move(configuration.health_key);
  fresh->credentials = std::move(configuration.credentials);
  fresh->keys = std::move(configuration.keys);
  configuration_ = std::move(fresh);
}

https::Response Proxy::answer(const https::Request& request) {
  const auto begin = std::chrono::steady_clock::now();
  std::shared_ptr<const Configuration> configuration;
  {
    const std::lock_guard lock(mutex_);
    configuration = configuration_;
  }
  AuditEntry entry;
  https::Response response;
  try {
    response = answer_call(*configuration, request, entry);
  } catch (Refusal& refusal) {
    refusal.message.resize(std::min(refusal.message.size(), kMostErrorMessage));
    entry.error = text_of(refusal.name);
    if (entry.detail.empty()) entry.detail = refusal.message;
    response = json_response(status_of(refusal.name), {{"errorName", text_of(refusal.name)}, {"errorMessage", refusal.message}});
  } catch (const std::exception& error) {  // ours, or the machine's: told to the operator only
    entry.error = text_of(ErrorName::kInternal);
    entry.detail = error.what();
    response = json_response(500, {{"errorName", text_of(ErrorName::kInternal)}, {"errorMessage", "the proxy failed; its audit log says why"}});
  }
  entry.status = response.status;
  entry.took = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
  audit_.write(entry);
  return response;
}

void Proxy::authenticate(const Configuration& configuration, const https::Request& request, AuditEntry& entry) const {
  entry.client_name = request.client_name;
  if (!configuration.listen.client_name.empty() && request.client_name != configuration.listen.client_name) {
    throw Refusal{ErrorName::kAuthenticationFailed, "the client's certificate is of another name"};
  }
  const sigv4::Verdict verdict = sigv4::verify(
      request, {.service = std::string(kService), .region = configuration.region, .time = now(), .most_skew_seconds = 300,
                .secret_of = [&configuration](std::string_view id) -> std::optional<std::string> {
                  const auto found = configuration.credentials.find(id);
                  return found == configuration.credentials.end() ? std::nullopt : std::optional(found->second);
                }});
  if (verdict.fault) throw Refusal{ErrorName::kAuthenticationFailed, verdict.message};
  entry.access_key_id = verdict.access_key_id;
}

https::Response Proxy::answer_call(const Configuration& configuration, const https::Request& request, AuditEntry& entry) {
  const std::optional<Route> route = route_of(configuration.uri_path, request.target);
  if (!route) throw Refusal{ErrorName::kInvalidUriPath, "the URI path is none of the API's"};
  entry.call = text_of(route->call);
  if (request.method != "POST") {
    return {.status = 405, .content_type = "application/json", .headers = {{"Allow", "POST"}}, .body = {}};
  }
  authenticate(configuration, request, entry);
  entry.key_id = route->key_id;
  if (!is_json(request)) throw Refusal{ErrorName::kValidation, "the content type is not application/json"};
  ParsedRequest parsed = parse_request(route->call, request.body);
  entry.metadata = parsed.metadata;
  try {
    if (route->call == Call::kHealth) return health(configuration);
    const auto found = configuration.keys.find(route->key_id);
    if (found == configuration.keys.end()) throw Refusal{ErrorName::kKeyNotFound, "there is no external key of that id"};
    const ExternalKey& key = found->second;
    if (!key.policy.allows(route->call, parsed.metadata)) throw Refusal{ErrorName::kAccessDenied, "the key's policy doesn't allow the request"};
    if (route->call == Call::kMetadata) return metadata(configuration, key);
    if (!key.enabled) throw Refusal{ErrorName::kInvalidState, "the external key is disabled"};
    return route->call == Call::kEncrypt ? encrypt(configuration, key, std::move(parsed)) : decrypt(configuration, key, std::move(parsed));
  } catch (const pkcs11::TokenError& error) {
    entry.detail = error.what();
    throw Refusal{ErrorName::kInternal, "the key manager failed; the proxy's audit log says why"};
  }
}

// Throws Refusal or TokenError unless the job ran to its end.
template <typename Job>
void Proxy::run(const Configuration& configuration, const std::shared_ptr<Job>& job) {
  const auto guarded = [job] {
    try {
      job->run();
    } catch (const pkcs11::TokenError& error) {
      job->failure = failure_of(*job->token, job->label, error);
    } catch (const std::exception& error) {
      job->failure = {.failed = true, .key_missing = false, .detail = error.what()};
    }
  };
  switch (work_.run(guarded, configuration.token_budget)) {
    case Finished::kYes: break;
    case Finished::kLate:
      throw Refusal{ErrorName::kDependencyTimeout, "the key manager didn't answer within " + std::to_string(configuration.token_budget.count()) + " ms"};
    case Finished::kCrowded: throw Refusal{ErrorName::kThrottling, "too many requests wait for the key manager"};
  }
  if (job->failure.key_missing) throw Refusal{ErrorName::kKeyNotFound, "the key manager has no such key any more"};
  if (job->failure.failed) throw pkcs11::TokenError(job->failure.detail);
}

// The configuration's answer, unless the token is there and says otherwise: one that is away or late changes nothing of it.
https::Response Proxy::metadata(const Configuration& configuration, const ExternalKey& key) {
  const auto job = std::make_shared<MetadataJob>();
  job->token = token_;
  job->label = key.label;
  std::size_t size = 0;
  try {
    run(configuration, job);
    size = job->size;
  } catch (const Refusal& refusal) {
    if (refusal.name == ErrorName::kKeyNotFound) throw;
  } catch (const pkcs11::TokenError&) {
  }
  const std::string spec = "AES_" + std::to_string((size == 0 ? cryptography::kAes256Key : size) * 8);
  return json_response(200, {{"keySpec", spec}, {"keyUsage", key.usage}, {"keyStatus", key.enabled ? "ENABLED" : "DISABLED"}});
}

https::Response Proxy::encrypt(const Configuration& configuration, const ExternalKey& key, ParsedRequest request) {
  if (!key.may_encrypt) throw Refusal{ErrorName::kInvalidKeyUsage, "the external key isn't for encryption"};
  const auto job = std::make_shared<SealJob>();
  job->token = token_;
  job->label = key.label;
  job->associated = std::move(request.associated);
  job->plaintext = std::move(request.plaintext);
  job->checked = request.wants_integrity_value;
  run(configuration, job);
  Json body = {{"ciphertext", to_base64(job->encrypted.ciphertext)},
               {"ciphertextMetadata", to_base64(job->encrypted.metadata)},
               {"initializationVector", to_base64(job->encrypted.iv)},
               {"authenticationTag", to_base64(job->encrypted.tag)}};
  if (job->checked) body["ciphertextDataIntegrityValue"] = to_base64(job->integrity);
  return json_response(200, body);
}

https::Response Proxy::decrypt(const Configuration& configuration, const ExternalKey& key, ParsedRequest request) {
  if (!key.may_decrypt) throw Refusal{ErrorName::kInvalidKeyUsage, "the external key isn't for decryption"};
  const auto job = std::make_shared<OpenJob>();
  job->token = token_;
  job->label = key.label;
  job->associated = std::move(request.associated);
  job->encrypted = std::move(request.encrypted);
  run(configuration, job);
  if (!job->plaintext) {
    throw Refusal{ErrorName::kInvalidCiphertext, "ciphertext, metadata, initialization vector, associated data or tag is not what encrypt gave"};
  }
  return json_response(200, {{"plaintext", to_base64(job->plaintext->view())}});
}

https::Response Proxy::health(const Configuration& configuration) {
  const auto job = std::make_shared<HealthJob>();
  job->token = token_;
  job->label = configuration.health_key;
  try {
    run(configuration, job);
  } catch (const Refusal& refusal) {
    // A missing test key is no answer that this call has.
    if (refusal.name == ErrorName::kKeyNotFound) throw pkcs11::TokenError("the token has no key '" + configuration.health_key + "' (health_key)");
    throw;
  }
  return json_response(200, {{"xksProxyFleetSize", 1},
                             {"xksProxyVendor", kVendor},
                             {"xksProxyModel", kModel},
                             {"ekmVendor", job->vendor},
                             {"ekmFleetDetails", Json::array({{{"id", job->id}, {"model", job->model}, {"healthStatus", "ACTIVE"}}})}});
}

}  // namespace xks
