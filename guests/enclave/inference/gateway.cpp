#include "guests/enclave/inference/gateway.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "guests/enclave/inference/request_filter.hpp"
#include "tools/https/client.hpp"

namespace inference {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kLeastNonce = 16, kMostNonce = 64;      // bytes
constexpr std::size_t kMostQuestion = 1 << 20, kMostAnswer = 16 << 20, kMostWaiting = 256 * 1024;
constexpr std::chrono::seconds kPatience{900};                // of one piece of an answer: a long prompt is read before the first
constexpr int kCertificateDays = 365;

https::Response json_response(int status, const Json& json) {
  https::Response response;
  response.status = status;
  response.content_type = "application/json";
  response.headers = {{"Cache-Control", "no-store"}};
  response.body = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  return response;
}

// In the form of OpenAI's API, which clients know how to show.
https::Response refusal(int status, const char* type, const std::string& message) {
  return json_response(status, {{"error", {{"message", message}, {"type", type}, {"code", status}}}});
}

// One exchange with llama-server on a thread of its own, so that its answer can be handed on while it comes.
class Exchange {
 public:
  Exchange(const Backend& backend, https::Request request)
      : thread_([this, backend, sent = std::move(request)] { run(backend, sent); }) {}
  ~Exchange() {
    {
      const std::lock_guard lock(mutex_);
      given_up_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  // The next piece; empty: there are no more. A reader that is slow holds up llama-server, not our memory.
  std::string next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !waiting_.empty() || ended_; });
    std::string piece = std::move(waiting_);
    waiting_.clear();
    changed_.notify_all();
    return piece;
  }
  // When next() was empty. 0: there was no answer.
  [[nodiscard]] const https::Response& head() const { return head_; }

 private:
  void run(const Backend& backend, const https::Request& request) {
    https::Response head;
    try {
      https::ClientOptions options;
      options.host = backend.host;
      options.port = backend.port;
      options.tls = false;
      options.read_timeout = kPatience;
      https::Client client(options);
      head = client.send(request, [this](std::string_view piece) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return waiting_.size() < kMostWaiting || given_up_; });
        waiting_ += piece;
        changed_.notify_all();
        return !given_up_;
      });
    } catch (const https::HttpsError&) {
      head.status = 0;
    }
    const std::lock_guard lock(mutex_);
    head_ = std::move(head);
    ended_ = true;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;
  https::Response head_{.status = 0};
  bool ended_{}, given_up_{};
  std::thread thread_;
};

}  // namespace

Gateway::Gateway(Backend backend, const cryptography::PublicKey& tls_key, cryptography::SecretBytes secret, Documents documents)
    : backend_(std::move(backend)), key_digest_(cryptography::sha256(tls_key.spki())), secret_digest_(cryptography::sha256(secret.view())),
      documents_(std::move(documents)) {}

bool Gateway::may_ask(const https::Request& request) const {
  constexpr std::string_view kScheme = "Bearer ";
  const auto header = request.header("authorization");
  if (!header || !header->starts_with(kScheme)) return false;
  // Digests, so that the comparison says nothing of the secret's length either.
  return cryptography::equal_in_constant_time(cryptography::sha256(cofferdam::as_bytes(header->substr(kScheme.size()))), secret_digest_);
}

https::Response Gateway::attestation(std::string_view query) {
  constexpr std::string_view kNonce = "nonce=";
  const auto nonce = query.starts_with(kNonce) ? cofferdam::from_hex(query.substr(kNonce.size())) : std::nullopt;
  if (!nonce || nonce->size() < kLeastNonce || nonce->size() > kMostNonce) {
    return refusal(400, "invalid_request_error", "GET /v1/attestation?nonce=HEX, with 16 to 64 bytes that were never used before");
  }
  try {
    return json_response(200, {{"document", cofferdam::to_base64(documents_(*nonce, key_digest_))}});
  } catch (const std::runtime_error& error) {
    return refusal(503, "unavailable_error", error.what());
  }
}

https::Response Gateway::forward(const https::Request& request, const std::string& path) {
  https::Request sent{.method = request.method, .target = path, .headers = {}, .body = {}, .client_name = {}};
  bool streams = false;
  if (request.method == "POST") {
    auto question = filtered(path, request.body);
    if (!question) return refusal(400, "invalid_request_error", question.error());
    sent.body = std::move(question->body);
    sent.headers = {{"Content-Type", "application/json"}};
    streams = question->streams;
  }
  const auto exchange = std::make_shared<Exchange>(backend_, std::move(sent));
  std::string begun = exchange->next();
  if (streams && begun.starts_with("data:")) {
    https::Response response;
    response.content_type = "text/event-stream";
    response.headers = {{"Cache-Control", "no-store"}};
    response.stream = [exchange, first = std::move(begun)](const https::Sink& sink) {
      std::string piece = first;
      while (!piece.empty() && sink(piece)) piece = exchange->next();
      // An answer that broke off has no "[DONE]", by which clients know.
    };
    return response;
  }
  https::Response response;
  response.body = std::move(begun);
  for (std::string piece; response.body.size() <= kMostAnswer && !(piece = exchange->next()).empty();) response.body += piece;
  if (response.body.size() > kMostAnswer) return refusal(502, "server_error", "the model's answer is longer than 16 MiB");
  if (exchange->head().status == 0) return refusal(502, "server_error", "the model gave no answer");
  response.status = exchange->head().status;
  response.content_type = "application/json";
  response.headers = {{"Cache-Control", "no-store"}};
  return response;
}

https::Response Gateway::answer(const https::Request& request) {
  const std::string_view target = request.target;
  const std::size_t mark = target.find('?');
  const std::string_view path = target.substr(0, mark);
  if (request.method == "GET" && target == "/health") return json_response(200, {{"status", "ok"}});
  if (request.method == "GET" && path == "/v1/attestation") return attestation(mark == target.npos ? "" : target.substr(mark + 1));
  const auto forwarded = forwarded_path(request.method, target);
  if (!forwarded) return refusal(404, "not_found_error", "there is no such path, or not with this method");
  if (!may_ask(request)) return refusal(401, "authentication_error", "the Authorization header lacks the prompts' secret: Bearer SECRET");
  return forward(request, *forwarded);
}

Identity new_identity() {
  cryptography::PrivateKey key = cryptography::PrivateKey::generate(cryptography::KeyKind::kP256);
  std::string certificate = cryptography::self_signed_pem(key, "cofferdam inference", {"localhost", "127.0.0.1"}, kCertificateDays);
  return {std::move(key), std::move(certificate)};
}

https::ServerOptions server_options(const Identity& identity, int port) {
  https::ServerOptions options;
  options.port = port;
  options.certificate_pem = identity.certificate_pem;
  options.key_pem = identity.key.pkcs8_pem();
  options.threads = 16;
  options.waiting = 64;
  options.largest_body = kMostQuestion;
  return options;
}

}  // namespace inference
