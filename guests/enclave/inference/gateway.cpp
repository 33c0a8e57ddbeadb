#include "guests/enclave/inference/gateway.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "guests/enclave/inference/answer_writer.hpp"
#include "guests/enclave/inference/request_filter.hpp"

namespace inference {
namespace {

using OrderedJson = nlohmann::ordered_json;
constexpr std::size_t kLeastNonce = 16, kMostNonce = 64;  // bytes
constexpr std::size_t kMostQuestion = 1 << 20;
constexpr std::size_t kOtherThreads = 16;                 // for documents, health, and refusals
constexpr std::chrono::seconds kModels{10};
constexpr int kCertificateDays = 365;

https::Response json_response(int status, std::string json) {
  https::Response response;
  response.status = status;
  response.content_type = "application/json";
  response.headers = {{"Cache-Control", "no-store"}};
  response.body = std::move(json);
  return response;
}
https::Response refusal(int status, const char* type, const std::string& message) {
  return json_response(status, error_json(status, type, message));
}
https::Response come_again(const std::string& why) {
  https::Response busy = refusal(503, "overloaded_error", why);
  busy.headers.emplace_back("Retry-After", "5");
  return busy;
}

bool is_json(const https::Request& request) {
  const auto type = request.header("content-type");
  if (!type) return true;
  std::string name(type->substr(0, type->find(';')));
  std::erase(name, ' ');
  std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return name == "application/json";
}

// RFC 6750, section 2.1: b64token. Other bytes can't be sent, or (%41) arrive as others.
bool is_bearer_token(cofferdam::ByteView secret) {
  std::string_view text = cofferdam::as_text(secret);
  while (text.ends_with('=')) text.remove_suffix(1);
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("-._~+/").contains(c);
  });
}

}  // namespace

Gateway::Gateway(Backend backend, const cryptography::PublicKey& tls_key, cryptography::SecretBytes secret, Documents documents,
                 Bounds bounds)
    : backend_(std::move(backend)), key_digest_(cryptography::sha256(tls_key.spki())),
      secret_digest_(cryptography::sha256(secret.view())), documents_(std::move(documents)), bounds_(bounds),
      places_(bounds.questions), lists_(bounds.lists) {
  if (!is_bearer_token(secret.view())) {
    throw std::runtime_error("the secret of the prompts' owner is no bearer token: it is made of A-Z a-z 0-9 - . _ ~ + / and = at its end");
  }
}

bool Gateway::may_ask(const https::Request& request) const {
  constexpr std::string_view kScheme = "Bearer ";
  const auto header = request.header("authorization");
  if (!header || !header->starts_with(kScheme)) return false;
  // Digests, so that the comparison says nothing of the secret's length either.
  return cryptography::equal_in_constant_time(cryptography::sha256(cofferdam::as_bytes(header->substr(kScheme.size()))),
                                              secret_digest_);
}

https::Response Gateway::attestation(std::string_view query) {
  constexpr std::string_view kNonce = "nonce=";
  const auto nonce = query.starts_with(kNonce) ? cofferdam::from_hex(query.substr(kNonce.size())) : std::nullopt;
  if (!nonce || nonce->size() < kLeastNonce || nonce->size() > kMostNonce) {
    return refusal(400, "invalid_request_error",
                   "GET /v1/attestation?nonce=HEX, with 16 to 64 bytes that were never used before");
  }
  try {
    return json_response(200, OrderedJson{{"document", cofferdam::to_base64(documents_(*nonce, key_digest_))}}.dump());
  } catch (const std::runtime_error& error) {
    return refusal(503, "unavailable_error", error.what());
  }
}

https::Response Gateway::models() {
  const auto place = lists_.take();
  if (!place) return come_again("as many lists of models are being fetched as may be; ask again");
  ModelExchange exchange(backend_, {.method = "GET", .target = "/v1/models", .headers = {}, .body = {}, .client_name = {}},
                         kModels);
  auto body = rest_of(exchange, kModels);
  if (!body) return refusal(502, "server_error", body.error());
  return json_response(exchange.head().status, std::move(*body));
}

https::Response Gateway::question(const https::Request& request, const std::string& path) {
  if (!is_json(request)) return refusal(415, "invalid_request_error", "the Content-Type of a request is application/json");
  auto asked = filtered(path, request.body);
  if (!asked) return refusal(400, "invalid_request_error", asked.error());
  auto place = places_.take();
  if (closed_) return come_again("the model has ended");
  if (!place) return come_again("as many questions are being answered as may be; ask again");
  https::Request forwarded{.method = "POST", .target = path, .headers = {{"Content-Type", "application/json"}},
                           .body = std::move(asked->body), .client_name = {}};
  const auto exchange = std::make_shared<ModelExchange>(backend_, std::move(forwarded), bounds_.patience);
  const bool begun = exchange->wait_for_head(bounds_.head);
  const https::Response head = exchange->head();
  https::Response response;
  response.headers = {{"Cache-Control", "no-store"}};
  if (asked->streams && (!begun || (head.status == 200 && head.content_type.starts_with("text/event-stream")))) {
    response.content_type = "text/event-stream";
    response.stream = [place, exchange, bounds = bounds_](const https::Sink& sink) {
      BoundedSink client(sink, bounds.reading);
      pass_events(*exchange, client, bounds.beat);
    };
    return response;
  }
  response.content_type = "application/json";
  if (!begun) {
    response.stream = [place, exchange, bounds = bounds_](const https::Sink& sink) {
      BoundedSink client(sink, bounds.reading);
      pass_late_json(*exchange, client, bounds.beat);
    };
    return response;
  }
  auto body = rest_of(*exchange, bounds_.patience);
  if (!body) return refusal(502, "server_error", body.error());
  response.status = head.status;
  // The place is kept until the client has it: a slow reader takes a question's thread, not one of the others.
  response.stream = [place, whole = std::move(*body), limit = bounds_.reading](const https::Sink& sink) {
    BoundedSink client(sink, limit);
    (void)client.send(whole);
  };
  return response;
}

bool Gateway::close(std::chrono::milliseconds limit) {
  closed_ = true;
  return places_.wait_until_free(limit);
}

https::Response Gateway::answer(const https::Request& request) {
  const std::string_view target = request.target;
  const std::size_t mark = target.find('?');
  const std::string_view path = target.substr(0, mark);
  if (request.method == "GET" && target == "/health") {
    return closed_ ? refusal(503, "unavailable_error", "the model has ended") : json_response(200, R"({"status":"ok"})");
  }
  if (request.method == "GET" && path == "/v1/attestation") {
    return attestation(mark == target.npos ? "" : target.substr(mark + 1));
  }
  const auto forwarded = forwarded_path(request.method, target);
  if (!forwarded) return refusal(404, "not_found_error", "there is no such path, or not with this method");
  if (!may_ask(request)) {
    return refusal(401, "authentication_error", "the Authorization header lacks the prompts' secret: Bearer SECRET");
  }
  return request.method == "POST" ? question(request, *forwarded) : models();
}

Identity new_identity() {
  cryptography::PrivateKey key = cryptography::PrivateKey::generate(cryptography::KeyKind::kP256);
  std::string certificate =
      cryptography::self_signed_pem(key, "cofferdam inference", {"localhost", "127.0.0.1"}, kCertificateDays);
  return {std::move(key), std::move(certificate)};
}

https::ServerOptions server_options(const Identity& identity, int port, std::size_t questions) {
  https::ServerOptions options;
  options.port = port;
  options.certificate_pem = identity.certificate_pem;
  options.key_pem = identity.key.pkcs8_pem();
  options.threads = questions + kOtherThreads;
  options.waiting = 64;
  options.largest_body = kMostQuestion;
  return options;
}

}  // namespace inference
