#include "tools/chat/attested_service.hpp"

#include <charconv>
#include <exception>

#include <nlohmann/json.hpp>

#include "tools/chat/refused.hpp"
#include "tools/cofferdam/verify_flags.hpp"
#include "tools/cryptography/cryptography.hpp"
#include "tools/https/client.hpp"

namespace chat {
namespace {

using cofferdam::Bytes;
using cofferdam::ByteView;
using cofferdam::Digest256;

constexpr std::size_t kNonce = 32;
constexpr std::size_t kMaxBody = std::size_t{64} << 20;  // bytes of one streamed response, with all that frames its text
constexpr std::size_t kMaxErrorBody = 4096;

std::string http_error(int status, std::string_view body) { return "HTTP " + std::to_string(status) + ": " + error_text(body); }

Bytes document_in(const std::string& body) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains("document") || !json["document"].is_string()) {
    throw Refused("not-a-document", "what the service gives as its attestation is no JSON with a \"document\"");
  }
  const std::optional<Bytes> document = cofferdam::from_base64(json["document"].get<std::string>());
  if (!document || document->empty() || document->size() > cofferdam::kMaxDocument) {
    throw Refused("not-a-document", "the service's \"document\" is not base64 of 1 to 65536 bytes");
  }
  return *document;
}

}  // namespace

ServiceAddress parse_address(const std::string& text) {
  const auto wrong = [&] { return cofferdam::Unreadable("--service " + text + ": write HOST:PORT or [IPV6]:PORT"); };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) throw wrong();
  ServiceAddress address{.host = text.substr(0, colon)};
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  } else if (address.host.find(':') != std::string::npos) {
    throw wrong();
  }
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%";
  if (address.host.empty() || address.host.size() > 253 || address.host.find_first_not_of(kAllowed) != std::string::npos) throw wrong();
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, address.port);
  if (error != std::errc{} || stop != end || address.port < 1 || address.port > 65535) throw wrong();
  return address;
}

void check_binding(const cofferdam::Document& document, const Digest256& key) {
  if (!document.user_data) throw Refused("tls-key", "the document names no TLS key: it has no user_data");
  if (document.user_data->size() != key.size()) {
    throw Refused("tls-key", "the document names no TLS key: its user_data is not a SHA-256");
  }
  if (!cofferdam::equal(*document.user_data, key)) {
    throw Refused("tls-key", "the document is of another TLS key than this connection's: somebody stands in between");
  }
}

struct AttestedService::State {
  State(const ServiceAddress& address, std::chrono::seconds timeout, cofferdam::VerifyOptions given)
      : demands(std::move(given)), client(options(address, timeout)) {}
  https::ClientOptions options(const ServiceAddress& address, std::chrono::seconds timeout);
  https::Response exchange(const https::Request& request, const https::Sink& receive = nullptr);

  cofferdam::VerifyOptions demands;
  std::optional<Digest256> key;  // of the first connection; every further one must have it
  bool another_key{};
  bool verified{};
  https::Client client;
};

https::ClientOptions AttestedService::State::options(const ServiceAddress& address, std::chrono::seconds timeout) {
  https::ClientOptions made;
  made.host = address.host;
  made.port = address.port;
  made.connect_timeout = timeout;
  made.read_timeout = timeout;
  made.judge = [this](ByteView leaf) {
    const std::optional<Bytes> spki = cryptography::spki_of_certificate(leaf);
    if (!spki) return false;
    const Digest256 shown = cofferdam::sha256(*spki);
    if (!key) key = shown;
    another_key = *key != shown;
    return !another_key;
  };
  return made;
}

https::Response AttestedService::State::exchange(const https::Request& request, const https::Sink& receive) {
  try {
    return client.send(request, receive);
  } catch (const https::HttpsError& error) {
    if (another_key) throw Refused("tls-key", "the service came back with another TLS key than the one before: nothing more is sent");
    throw Refused("connection", error.what());
  }
}

AttestedService::AttestedService(const ServiceAddress& address, std::chrono::seconds timeout, cofferdam::VerifyOptions demands)
    : state_(std::make_unique<State>(address, timeout, std::move(demands))) {}
AttestedService::~AttestedService() = default;

Verified AttestedService::verify() {
  State& state = *state_;
  const Bytes nonce = cryptography::random_bytes(kNonce);
  https::Request request;
  request.method = "GET";
  request.target = "/v1/attestation?nonce=" + cofferdam::to_hex(nonce);
  request.headers = {{"Accept", "application/json"}};
  const https::Response response = state.exchange(request);
  if (response.status != 200) throw Refused("service", "the service gives no attestation: " + http_error(response.status, response.body));
  if (!state.key) throw Refused("connection", "the service showed no certificate");

  state.demands.nonce = nonce;
  state.demands.time = cofferdam::time_now();
  Verified verified{.report = {}, .tls_key = *state.key};
  try {
    verified.report = cofferdam::verify_document(document_in(response.body), state.demands);
  } catch (const cofferdam::Unreadable& error) {
    throw Refused("not-a-document", std::string("the service's document can't be read: ") + error.what());
  }
  if (verified.report.refused) throw Refused(std::string(cofferdam::code_of(*verified.report.refused)), verified.report.message);
  check_binding(*verified.report.document, verified.tls_key);
  state.verified = true;
  return verified;
}

void AttestedService::ask(const std::string& request, std::string_view api_key, Answer& answer) {
  State& state = *state_;
  if (!state.verified) throw std::logic_error("a prompt before the enclave is verified");
  https::Request sent;
  sent.method = "POST";
  sent.target = "/v1/chat/completions";
  sent.headers = {{"Content-Type", "application/json"},
                  {"Accept", "text/event-stream"},
                  {"Authorization", "Bearer " + std::string(api_key)}};
  sent.body = request;

  std::string beginning;  // says why, when it turns out that the response is no answer
  std::size_t size = 0;
  std::exception_ptr failure;
  const auto receive = [&](std::string_view piece) {
    size += piece.size();
    beginning += piece.substr(0, kMaxErrorBody - beginning.size());
    try {
      answer.feed(piece);
      if (size > kMaxBody) throw Refused("stream", "the service sends more than 67108864 bytes for one answer");
    } catch (...) {
      failure = std::current_exception();  // not through the library's frames
    }
    return failure == nullptr;
  };
  https::Response response;
  try {
    response = state.exchange(sent, receive);
  } catch (const Refused& refused) {
    if (answer.complete()) return;
    if (size == 0 || refused.code() != "connection") throw;
    throw Refused("stream", std::string("the answer broke off: ") + refused.what());
  }
  if (failure) std::rethrow_exception(failure);
  if (response.status != 200) {
    throw Refused("service", "the service refuses: " + http_error(response.status, beginning.empty() ? response.body : beginning));
  }
  if (!answer.complete()) throw Refused("stream", "the answer broke off: the service ended it without [DONE]");
}

}  // namespace chat
