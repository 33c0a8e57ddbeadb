// The door with a model's server that the test plays: what clients get, and what neither of them can do to the others. All on 127.0.0.1.
#include "guests/enclave/inference/gateway.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <future>
#include <mutex>
#include <nlohmann/json.hpp>
#include <vector>

#include "tools/https/client.hpp"

namespace {

using Json = nlohmann::json;
using inference::Bounds;
using inference::Gateway;
using namespace std::chrono_literals;
using Milliseconds = std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

const std::string kSecret(32, 's');
constexpr const char* kStreamed = R"({"messages": [{"role": "user", "content": "hello"}], "stream": true})";
constexpr const char* kWhole = R"({"messages": [{"role": "user", "content": "hello"}]})";

// Until it holds, or for ten seconds.
bool comes_true(const std::function<bool()>& condition) {
  for (const auto end = Clock::now() + 10s; Clock::now() < end; std::this_thread::sleep_for(5ms)) {
    if (condition()) return true;
  }
  return false;
}

// Stands in for llama-server: the request's bytes are read, then the test speaks through the socket as it likes.
class Model {
 public:
  using Speak = std::function<void(int socket, const std::string& request)>;
  explicit Model(Speak speak) : speak_(std::move(speak)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { accept_all(); });
  }
  ~Model() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    for (std::thread& each : streams_) each.join();
    ::close(listener_);
  }
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  static bool say(int socket, std::string_view text) {
    while (!text.empty()) {
      const ssize_t count = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }
  static bool say_piece(int socket, std::string_view text) {
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", text.size());
    return say(socket, size + std::string(text) + "\r\n");
  }
  static void begin_events(int socket) { say(socket, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"); }
  static void answer(int socket, int status, const std::string& json) {
    say(socket, "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(json.size()) + "\r\n\r\n" + json);
  }
  // The other side has hung up.
  static bool is_left(int socket) {
    char byte = 0;
    return ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
  }

 private:
  void accept_all() {
    for (int stream = 0; (stream = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
      streams_.emplace_back([this, stream] {
        std::string request;
        char buffer[4096];
        const auto whole = [&request] {
          const std::size_t end = request.find("\r\n\r\n"), length = request.find("Content-Length: ");
          return end != request.npos && (length == request.npos || request.size() >= end + 4 + std::stoul(request.substr(length + 16)));
        };
        for (ssize_t count = 0; !whole() && (count = ::recv(stream, buffer, sizeof buffer, 0)) > 0;) request.append(buffer, static_cast<std::size_t>(count));
        if (!whole()) return void(::close(stream));
        {
          const std::lock_guard lock(mutex_);
          requests_.push_back(request);
        }
        speak_(stream, request);
        ::close(stream);
      });
    }
  }

  Speak speak_;
  int listener_, port_{};
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<std::thread> streams_;
  std::thread thread_;
};

Bounds quick() { return {.questions = 3, .patience = 20s, .head = 300ms, .beat = 50ms, .reading = 20s}; }

// The gateway behind its server, with TLS.
class Door {
 public:
  explicit Door(int model_port, Bounds bounds = quick(), Gateway::Documents documents = nullptr)
      : identity_(inference::new_identity()),
        gateway_({.port = model_port}, identity_.key.public_key(), cryptography::SecretBytes::copy_of(cofferdam::as_bytes(kSecret)),
                 documents ? std::move(documents)
                           : [](cofferdam::ByteView nonce, cofferdam::ByteView user_data) {
                               cofferdam::Bytes made(nonce.begin(), nonce.end());
                               made.insert(made.end(), user_data.begin(), user_data.end());
                               return made;
                             },
                 bounds),
        server_(inference::server_options(identity_, 0, bounds.questions), [this](const https::Request& request) { return gateway_.answer(request); }),
        thread_([this] { server_.run(); }) {}
  ~Door() {
    server_.stop();
    thread_.join();
  }
  [[nodiscard]] https::ClientOptions client() const {
    https::ClientOptions options;
    options.host = "127.0.0.1";
    options.port = server_.port();
    options.judge = [](cofferdam::ByteView) { return true; };
    options.read_timeout = 20s;
    return options;
  }
  [[nodiscard]] https::Response ask(const https::Request& request, const https::Sink& receive = nullptr) const {
    https::Client connection(client());
    return connection.send(request, receive);
  }
  [[nodiscard]] https::Response get(const std::string& target, const std::string& secret = kSecret) const {
    https::Request request{.method = "GET", .target = target, .headers = {}, .body = {}, .client_name = {}};
    if (!secret.empty()) request.headers = {{"Authorization", "Bearer " + secret}};
    return ask(request);
  }
  Gateway& gateway() { return gateway_; }
  [[nodiscard]] const inference::Identity& identity() const { return identity_; }

 private:
  inference::Identity identity_;
  Gateway gateway_;
  https::Server server_;
  std::thread thread_;
};

https::Request question(const std::string& body, const std::string& secret = kSecret, const std::string& type = "application/json") {
  return {.method = "POST", .target = "/v1/chat/completions", .headers = {{"Authorization", "Bearer " + secret}, {"Content-Type", type}}, .body = body,
          .client_name = {}};
}
std::string error_of(const https::Response& response) { return Json::parse(response.body)["error"]["message"]; }

TEST(Gateway, AStreamedAnswerPassesPieceByPiece) {
  std::promise<void> seen;
  Model model([&seen](int socket, const std::string&) {
    Model::begin_events(socket);
    Model::say_piece(socket, "data: {\"a\": 1}\n\n");
    EXPECT_EQ(seen.get_future().wait_for(10s), std::future_status::ready) << "the first piece waits for the second";
    Model::say_piece(socket, "data: [DONE]\n\n");
    Model::say_piece(socket, "");
  });
  const Door door(model.port());
  std::string text;
  bool told = false;
  const https::Response response = door.ask(question(kStreamed), [&](std::string_view piece) {
    text += piece;
    if (!std::exchange(told, true)) seen.set_value();
    return true;
  });
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "text/event-stream");
  EXPECT_TRUE(text.starts_with("data: {\"a\": 1}\n\n"));
  EXPECT_TRUE(text.ends_with("data: [DONE]\n\n"));
}

TEST(Gateway, WhatReachesTheModelIsTheFiltersAlone) {
  Model model([](int socket, const std::string&) { Model::answer(socket, 200, "{\"x\": 1}"); });
  const Door door(model.port());
  https::Request request = question(R"({"messages": [{"role": "user", "content": "hello"}], "id_slot": 0, "cache_prompt": true, "lora": []})");
  request.headers.emplace_back("X-Forwarded-For", "attacker");
  request.headers.emplace_back("X-Conversation-Id", "of-another");
  const https::Response response = door.ask(request);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "{\"x\": 1}");
  const std::string sent = model.requests().at(0);
  EXPECT_TRUE(sent.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"));
  EXPECT_TRUE(sent.ends_with("\r\n\r\n{\"cache_prompt\":false,\"messages\":[{\"content\":\"hello\",\"role\":\"user\"}]}"));
  EXPECT_EQ(sent.find("Bearer"), sent.npos) << "the prompts' secret is not the model's";
  EXPECT_EQ(sent.find("attacker"), sent.npos);
  EXPECT_EQ(sent.find("of-another"), sent.npos);
}

TEST(Gateway, WhoMayNotAskReachesNothing) {
  Model model([](int socket, const std::string&) { Model::answer(socket, 200, "{}"); });
  const Door door(model.port());
  for (const std::string& secret : {std::string("x"), std::string(31, 's'), std::string(33, 's'), std::string(32, 'S'), kSecret + ", Bearer " + kSecret}) {
    EXPECT_EQ(door.ask(question(kWhole, secret)).status, 401) << secret;
    EXPECT_EQ(door.get("/v1/models", secret).status, 401) << secret;
  }
  EXPECT_EQ(door.get("/v1/models", "").status, 401);
  https::Request basic = question(kWhole);
  basic.headers[0].second = "Basic " + kSecret;
  EXPECT_EQ(door.ask(basic).status, 401);
  for (const char* path : {"/slots", "/props", "/metrics", "/slots/0?action=save", "/v1/../slots", "/v1/%2e%2e/slots", "/%73lots", "//slots", "/v1/models/", "/v1/models?x=1",
                           "/lora-adapters", "/"}) {
    EXPECT_EQ(door.get(path).status, 404) << path;
  }
  EXPECT_EQ(door.ask(question(kWhole, kSecret, "text/plain")).status, 415);
  EXPECT_EQ(door.ask(question(kWhole, kSecret, "multipart/form-data; boundary=x")).status, 415);
  EXPECT_EQ(door.ask(question("{\"messages\": 1}")).status, 400);
  EXPECT_EQ(door.ask(question("{\"messages\": [{\"role\": \"user\", \"content\": \"" + std::string(1 << 20, 'x') + "\"}]}")).status, 413);
  EXPECT_TRUE(model.requests().empty());
  EXPECT_EQ(door.ask(question(kWhole, kSecret, "Application/JSON ; charset=utf-8")).status, 200);
  EXPECT_EQ(door.get("/v1/models").status, 200);
}

TEST(Gateway, ASecretThatNoClientCanSendIsRefused) {
  const cryptography::PrivateKey key = cryptography::PrivateKey::generate(cryptography::KeyKind::kP256);
  const auto gateway = [&key](const std::string& secret) {
    return inference::Gateway({.port = 1}, key.public_key(), cryptography::SecretBytes::copy_of(cofferdam::as_bytes(secret)), {});
  };
  for (const char* good : {"AZaz09-._~+/AZaz09-._~+/AZaz0123", "a=", "AZaz09=="}) EXPECT_NO_THROW((void)gateway(good)) << good;
  for (const char* bad : {"", "=", "a=b", "a%41b", "a b", "a\nb", "\x80", "a,b", "a\"b"}) EXPECT_THROW((void)gateway(bad), std::runtime_error) << bad;
}

TEST(Gateway, TheDocumentNamesTheKeyOfThisTls) {
  const Door door(1);
  const std::string nonce(32, 'a');
  const Json json = Json::parse(door.get("/v1/attestation?nonce=" + nonce, "").body);
  cofferdam::Bytes expected = *cofferdam::from_hex(nonce);
  const auto digest = cryptography::sha256(door.identity().key.public_key().spki());
  expected.insert(expected.end(), digest.begin(), digest.end());
  EXPECT_EQ(cofferdam::from_base64(json["document"].get<std::string>()), expected);
  for (const std::string& query : {std::string(), std::string("?"), "?nonce=" + std::string(30, 'a'), "?nonce=" + std::string(130, 'a'), "?nonce=" + nonce + "&nonce=" + nonce,
                                   "?nonce=" + nonce + "zz", "?user_data=00&nonce=" + nonce}) {
    EXPECT_EQ(door.get("/v1/attestation" + query, "").status, 400) << query;
  }
  const Door without(1, quick(), [](cofferdam::ByteView, cofferdam::ByteView) -> cofferdam::Bytes { throw std::runtime_error("no nsm"); });
  EXPECT_EQ(without.get("/v1/attestation?nonce=" + nonce).status, 503);
  EXPECT_EQ(error_of(without.get("/v1/attestation?nonce=" + nonce)), "no nsm");
}

TEST(Gateway, AModelThatDiesInTheMiddleIsAnErrorEvent) {
  Model model([](int socket, const std::string&) {
    Model::begin_events(socket);
    Model::say_piece(socket, "data: {\"a\": 1}\n\ndata: {\"half");
  });
  Door door(model.port());
  std::string text;
  EXPECT_EQ(door.ask(question(kStreamed), [&](std::string_view piece) { return text += piece, true; }).status, 200);
  const std::string good = "data: {\"a\": 1}\n\n";
  ASSERT_TRUE(text.starts_with(good));
  const std::string last = text.substr(good.size());
  ASSERT_TRUE(last.starts_with("data: {\"error\":")) << "half an event goes before it: " << last;
  EXPECT_EQ(Json::parse(last.substr(6))["error"]["message"], "the model ended before its answer did");
  EXPECT_TRUE(door.gateway().close(10s));
}

TEST(Gateway, AModelThatDiesBeforeItsAnswerIsA502) {
  Model model([](int socket, const std::string& request) {
    if (request.find("stream") == request.npos) Model::say(socket, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"half");
  });
  const Door door(model.port());
  const https::Response none = door.ask(question(kStreamed)), half = door.ask(question(kWhole));
  EXPECT_EQ(none.status, 502);
  EXPECT_EQ(error_of(none), "the model gave no answer");
  EXPECT_EQ(half.status, 502);
  EXPECT_EQ(error_of(half), "the model ended before its answer did");
  const Door nobody(1);
  EXPECT_EQ(nobody.ask(question(kWhole)).status, 502);
  EXPECT_EQ(nobody.get("/v1/models").status, 502);
}

TEST(Gateway, WhenTheModelHasEndedClientsHearItAndNobodyIsLetIn) {
  std::atomic<bool> dies{false};
  Model model([&dies](int socket, const std::string&) {
    Model::begin_events(socket);
    Model::say_piece(socket, "data: {\"a\": 1}\n\n");
    comes_true([&dies] { return dies.load(); });
  });
  Door door(model.port());
  std::promise<void> begun;
  std::string text;
  auto first = std::async(std::launch::async, [&] {
    return door.ask(question(kStreamed), [&](std::string_view piece) {
      if (text.empty()) begun.set_value();
      text += piece;
      return true;
    });
  });
  begun.get_future().wait();
  EXPECT_FALSE(door.gateway().close(50ms)) << "one is still answered";
  EXPECT_EQ(door.get("/health").status, 503);
  const https::Response refused = door.ask(question(kWhole));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(error_of(refused), "the model has ended");
  dies = true;
  EXPECT_TRUE(door.gateway().close(10s));
  first.get();
  EXPECT_NE(text.find("the model ended before its answer did"), text.npos);
}

TEST(Gateway, LongQuestionsKeepNobodyFromDocumentsAndHealth) {
  std::atomic<int> waiting{0};
  std::atomic<bool> goes_on{false};
  Model model([&](int socket, const std::string& request) {
    if (request.starts_with("GET /v1/models")) return Model::answer(socket, 200, "{}");
    ++waiting;
    comes_true([&] { return goes_on.load(); });
    Model::answer(socket, 200, "{}");
  });
  Door door(model.port());
  std::vector<std::future<https::Response>> questions;
  for (std::size_t i = 0; i < quick().questions; ++i) questions.push_back(std::async(std::launch::async, [&door] { return door.ask(question(kWhole)); }));
  ASSERT_TRUE(comes_true([&] { return waiting == static_cast<int>(quick().questions); }));
  // As many again as the server once had threads: each is told at once.
  for (int i = 0; i < 20; ++i) {
    const https::Response busy = door.ask(question(i % 2 == 0 ? kStreamed : kWhole));
    EXPECT_EQ(busy.status, 503);
    EXPECT_NE(std::ranges::find(busy.headers, std::pair<std::string, std::string>("Retry-After", "5")), busy.headers.end());
  }
  EXPECT_EQ(door.get("/health").status, 200);
  EXPECT_EQ(door.get("/v1/attestation?nonce=" + std::string(32, 'a')).status, 200);
  EXPECT_EQ(door.get("/v1/models").status, 200);
  EXPECT_EQ(waiting, static_cast<int>(quick().questions)) << "no more reach the model";
  goes_on = true;
  for (auto& each : questions) EXPECT_EQ(each.get().status, 200);
  EXPECT_TRUE(comes_true([&] { return door.ask(question(kWhole)).status == 200; })) << "the places are free again";
}

TEST(Gateway, ListsOfAStalledModelKeepNobodyFromDocumentsAndHealth) {
  std::atomic<int> waiting{0};
  std::atomic<bool> goes_on{false};
  Model model([&](int socket, const std::string& request) {
    if (!request.starts_with("GET /v1/models")) return Model::answer(socket, 200, "{}");
    ++waiting;
    comes_true([&] { return goes_on.load(); });
    Model::answer(socket, 200, "{}");
  });
  Door door(model.port());
  std::vector<std::future<https::Response>> lists;
  for (std::size_t i = 0; i < quick().lists; ++i) lists.push_back(std::async(std::launch::async, [&door] { return door.get("/v1/models"); }));
  ASSERT_TRUE(comes_true([&] { return waiting == static_cast<int>(quick().lists); }));
  // More than the server has threads: each is told at once.
  for (int i = 0; i < 20; ++i) {
    const https::Response busy = door.get("/v1/models");
    EXPECT_EQ(busy.status, 503);
    EXPECT_NE(std::ranges::find(busy.headers, std::pair<std::string, std::string>("Retry-After", "5")), busy.headers.end());
  }
  EXPECT_EQ(door.get("/health").status, 200);
  EXPECT_EQ(door.get("/v1/attestation?nonce=" + std::string(32, 'a')).status, 200);
  EXPECT_EQ(door.ask(question(kWhole)).status, 200);
  EXPECT_EQ(waiting, static_cast<int>(quick().lists)) << "no more reach the model";
  goes_on = true;
  for (auto& each : lists) EXPECT_EQ(each.get().status, 200);
  EXPECT_TRUE(comes_true([&] { return door.get("/v1/models").status == 200; })) << "the places are free again";
}

// What a client leaves behind while the model reads a long prompt, or writes: its slot.
TEST(Gateway, AClientThatLeavesFreesTheModel) {
  for (const bool streams : {true, false}) {
    for (const bool begun : {true, false}) {
      if (begun && !streams) continue;
      std::atomic<bool> left{false}, asked{false};
      Model model([&](int socket, const std::string&) {
        asked = true;
        if (begun) {
          Model::begin_events(socket);
          Model::say_piece(socket, "data: {\"a\": 1}\n\n");
        }
        left = comes_true([socket] { return Model::is_left(socket); });
      });
      Door door(model.port());
      https::Client client(door.client());
      auto answer = std::async(std::launch::async, [&] {
        try {
          (void)client.send(question(streams ? kStreamed : kWhole));
        } catch (const https::HttpsError&) {
        }
      });
      ASSERT_TRUE(comes_true([&] { return asked.load(); }));
      std::this_thread::sleep_for(begun ? 0ms : 400ms);  // the head is waited for no longer
      client.hang_up();
      answer.get();
      EXPECT_TRUE(comes_true([&] { return left.load(); })) << streams << begun;
      EXPECT_TRUE(door.gateway().close(10s)) << streams << begun;
    }
  }
}

TEST(Gateway, AClientThatDoesNotReadIsGivenUp) {
  std::atomic<bool> left{false};
  Model model([&left](int socket, const std::string&) {
    Model::begin_events(socket);
    const std::string piece = "data: {\"a\": \"" + std::string(100'000, 'x') + "\"}\n\n";
    while (Model::say_piece(socket, piece)) {
    }
    left = true;
  });
  Bounds bounds = quick();
  bounds.reading = 300ms;
  Door door(model.port(), bounds);
  std::atomic<bool> reads{false};
  auto slow = std::async(std::launch::async, [&] {
    try {
      (void)door.ask(question(kStreamed), [&reads](std::string_view) { return comes_true([&reads] { return reads.load(); }); });
    } catch (const https::HttpsError&) {
    }
  });
  // The server's own limit for one write holds the place at most that long; then ours ends it.
  std::this_thread::sleep_for(1s);
  reads = true;
  EXPECT_TRUE(comes_true([&left] { return left.load(); })) << "it goes on for ever";
  EXPECT_TRUE(door.gateway().close(10s));
  slow.get();
}

TEST(Gateway, AnAnswerThatIsLateComesAfterSignsOfLife) {
  EXPECT_GE(Bounds{}.patience, 24h) << "thousands of tokens of a slow machine, as one piece";
  for (const int status : {200, 500}) {
    Model model([status](int socket, const std::string& request) {
      std::this_thread::sleep_for(700ms);
      if (status == 200 && request.find("\"stream\":true") != request.npos) {
        Model::begin_events(socket);
        Model::say_piece(socket, "data: [DONE]\n\n");
        Model::say_piece(socket, "");
      } else {
        Model::answer(socket, status, status == 200 ? "{\"x\": 1}" : R"({"error": {"message": "no memory", "code": 500}})");
      }
    });
    const Door door(model.port());
    const https::Response events = door.ask(question(kStreamed)), json = door.ask(question(kWhole));
    EXPECT_TRUE(events.body.starts_with(": waiting for the model\n\n")) << events.body;
    EXPECT_TRUE(json.body.starts_with(" ")) << json.body;
    if (status == 200) {
      EXPECT_TRUE(events.body.ends_with("\n\ndata: [DONE]\n\n"));
      EXPECT_EQ(Json::parse(json.body), (Json{{"x", 1}}));
    } else {
      EXPECT_TRUE(events.body.ends_with("data: {\"error\":{\"message\":\"no memory\",\"code\":500}}\n\n"));
      EXPECT_EQ(error_of(json), "no memory");
    }
  }
}

TEST(Gateway, TheModelsOwnRefusalKeepsItsStatus) {
  Model model([](int socket, const std::string&) { Model::answer(socket, 400, R"({"error": {"message": "the prompt is too long"}})"); });
  const Door door(model.port());
  const https::Response response = door.ask(question(kStreamed));
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(error_of(response), "the prompt is too long");
}

TEST(Gateway, AnAnswerWithoutEndIsCut) {
  std::atomic<bool> left{false};
  Model model([&left](int socket, const std::string& request) {
    const bool streams = request.find("\"stream\":true") != request.npos;
    if (streams) Model::begin_events(socket);
    else Model::say(socket, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (Model::say_piece(socket, std::string(100'000, 'x'))) {
    }
    left = true;
  });
  const Door door(model.port());
  EXPECT_EQ(error_of(door.ask(question(kWhole))), "the model's answer is longer than 16 MiB");
  EXPECT_TRUE(comes_true([&left] { return left.load(); }));
  const std::string text = door.ask(question(kStreamed)).body;
  EXPECT_NE(text.find("the model's answer has no events"), text.npos);
}

}  // namespace
