// Server and client against each other, and the server against raw sockets: what an honest client gets, and what a hostile one
// can't have. Everything on 127.0.0.1.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "tools/cryptography/cryptography.hpp"
#include "tools/https/client.hpp"
#include "tools/https/server.hpp"

namespace {

using cryptography::CertificatePurpose;
using cryptography::KeyKind;
using cryptography::PrivateKey;
using namespace std::chrono_literals;

struct Identity {
  PrivateKey key = PrivateKey::generate(KeyKind::kP256);
  std::string pem;
};
struct World {
  PrivateKey authority_key = PrivateKey::generate(KeyKind::kP256);
  std::string authority = cryptography::issue({.subject = authority_key.public_key(), .signing_key = authority_key, .issuer_pem = {},
                                               .common_name = "authority", .names = {}, .days = 1, .purpose = CertificatePurpose::kAuthority});
  [[nodiscard]] Identity issue(const std::string& name, CertificatePurpose purpose) const {
    Identity identity;
    identity.pem = cryptography::issue({.subject = identity.key.public_key(), .signing_key = authority_key, .issuer_pem = authority,
                                        .common_name = name, .names = {name}, .days = 1, .purpose = purpose});
    return identity;
  }
};
const World& world() {
  static const World it;
  return it;
}
const Identity& server_identity() {
  static const Identity it = world().issue("server.test", CertificatePurpose::kServer);
  return it;
}

class Running {
 public:
  Running(https::ServerOptions options, https::Handler handler) : server_(std::move(options), std::move(handler)), thread_([this] { server_.run(); }) {}
  ~Running() {
    server_.stop();
    thread_.join();
  }
  [[nodiscard]] int port() const { return server_.port(); }

 private:
  https::Server server_;
  std::thread thread_;
};

https::ServerOptions with_tls() {
  https::ServerOptions options;
  options.certificate_pem = server_identity().pem;
  options.key_pem = server_identity().key.pkcs8_pem();
  options.read_timeout = 2s;
  return options;
}
https::ClientOptions to(int port) {
  https::ClientOptions options;
  options.host = "server.test";
  options.connect_to = "127.0.0.1";
  options.port = port;
  options.ca_pem = world().authority;
  options.connect_timeout = 2s;
  options.read_timeout = 5s;
  return options;
}
https::Response echo(const https::Request& request) {
  std::string text = request.method + " " + request.target + "\n" + request.client_name + "\n";
  for (const auto& [name, value] : request.headers) {
    if (name.starts_with("X-")) text += name + "=" + value + "\n";
  }
  return {.status = 200, .content_type = "text/plain", .headers = {{"X-Answer", "yes"}}, .body = text + request.body};
}
https::Request post(std::string target, std::string body) {
  return {.method = "POST", .target = std::move(target), .headers = {{"Content-Type", "application/json"}}, .body = std::move(body)};
}

// A plain socket that says what it likes.
class Raw {
 public:
  explicit Raw(int port, const char* from = nullptr) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in source{.sin_family = AF_INET};
    if (from != nullptr && (inet_pton(AF_INET, from, &source.sin_addr) != 1 || bind(socket_, reinterpret_cast<sockaddr*>(&source), sizeof(source)) != 0)) {
      return;
    }
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(static_cast<std::uint16_t>(port)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    connected_ = connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Raw() { close(socket_); }
  Raw(const Raw&) = delete;
  Raw& operator=(const Raw&) = delete;
  void say(const std::string& bytes) const { (void)!send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  void take(std::size_t size) const {
    std::string taken(size, 0);
    (void)!recv(socket_, taken.data(), size, MSG_WAITALL);
  }
  // What comes until the end, `limit`, or `enough`.
  [[nodiscard]] std::string hear(std::chrono::milliseconds limit, const std::string& enough = {}) const {
    std::string answer;
    pollfd waited{socket_, POLLIN, 0};
    const auto until = std::chrono::steady_clock::now() + limit;
    char buffer[4096];
    while (connected_ && std::chrono::steady_clock::now() < until && poll(&waited, 1, 20) >= 0) {
      if (waited.revents == 0) continue;
      const ssize_t got = recv(socket_, buffer, sizeof(buffer), 0);
      if (got <= 0) break;
      answer.append(buffer, static_cast<std::size_t>(got));
      if (!enough.empty() && answer.ends_with(enough)) break;
    }
    return answer;
  }

 private:
  int socket_;
  bool connected_{false};
};
std::string raw(int port, const std::string& bytes, std::chrono::milliseconds limit = 3000ms) {
  const Raw connection(port);
  connection.say(bytes);
  return connection.hear(limit);
}

TEST(Https, TheHandlerSeesTheTargetRawAndTheBodyWhole) {
  const Running server(with_tls(), echo);
  https::Client client(to(server.port()));
  for (int i = 0; i < 3; ++i) {  // one connection
    const https::Response response = client.send(post("/a%2Fb/../c//d", "body"));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "POST /a%2Fb/../c//d\n\nbody");
  }
  EXPECT_FALSE(client.server_certificate().empty());
}

TEST(Https, AForeignAuthorityAnotherNameAndARefusingJudgeEndBeforeAByteIsSent) {
  std::atomic<int> calls{0};
  const Running server(with_tls(), [&](const https::Request& request) {
    ++calls;
    return echo(request);
  });
  https::ClientOptions foreign = to(server.port());
  foreign.ca_pem = World().authority;
  EXPECT_THROW(https::Client(foreign).send(post("/", "x")), https::HttpsError);
  https::ClientOptions other_name = to(server.port());
  other_name.host = "other.test";
  EXPECT_THROW(https::Client(other_name).send(post("/", "x")), https::HttpsError);
  https::ClientOptions judged = to(server.port());
  judged.judge = [](cofferdam::ByteView) { return false; };
  EXPECT_THROW(https::Client(judged).send(post("/", "x")), https::HttpsError);
  EXPECT_EQ(calls, 0);
  judged.ca_pem.clear();
  judged.judge = [](cofferdam::ByteView leaf) {
    const auto spki = cryptography::spki_of_certificate(leaf);
    return spki && *spki == server_identity().key.public_key().spki();
  };
  EXPECT_EQ(https::Client(judged).send(post("/", "x")).status, 200);
  EXPECT_EQ(calls, 1);
}

TEST(Https, MutualTlsGivesTheClientsNameAndTurnsOthersAway) {
  https::ServerOptions options = with_tls();
  options.client_ca_pem = world().authority;
  const Running server(options, echo);
  const Identity caller = world().issue("cks.test", CertificatePurpose::kClient);
  https::ClientOptions known = to(server.port());
  known.client_certificate_pem = caller.pem;
  known.client_key_pem = caller.key.pkcs8_pem();
  EXPECT_EQ(https::Client(known).send(post("/", "")).body, "POST /\ncks.test\n");
  EXPECT_THROW(https::Client(to(server.port())).send(post("/", "")), https::HttpsError);
  https::ClientOptions foreign = known;
  foreign.client_certificate_pem = cryptography::self_signed_pem(caller.key, "cks.test", {}, 1);
  EXPECT_THROW(https::Client(foreign).send(post("/", "")), https::HttpsError);
}

// RFC 9110, 6.6.1: clients correct their clocks by it.
TEST(Https, EveryAnswerSaysWhatTimeItIs) {
  const Running server(https::ServerOptions{}, echo);
  const std::time_t before = std::time(nullptr);
  for (const std::string request : {"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "nonsense\r\n\r\n",
                                    "POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=a\r\nContent-Length: 2\r\n\r\n--"}) {
    const std::string answer = raw(server.port(), request);
    const std::size_t at = answer.find("\r\nDate: ");
    ASSERT_NE(at, answer.npos) << answer;
    std::tm utc{};
    const char* end = strptime(answer.c_str() + at + 8, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    ASSERT_TRUE(end != nullptr && std::string_view(end).starts_with("\r\n")) << answer;
    EXPECT_GE(timegm(&utc), before);
    EXPECT_LE(timegm(&utc), std::time(nullptr));
  }
}

TEST(Https, WhatIsTooLargeOrTooSlowIsRefused) {
  https::ServerOptions options;  // no TLS: raw sockets
  options.largest_body = 100;
  options.read_timeout = 1s;
  std::atomic<int> calls{0};
  const Running server(options, [&](const https::Request& request) {
    ++calls;
    return echo(request);
  });
  EXPECT_TRUE(raw(server.port(), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n" + std::string(101, 'x')).starts_with("HTTP/1.1 413"));
  EXPECT_TRUE(raw(server.port(), "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + std::string(255, 'x') + "\r\n0\r\n\r\n")
                  .starts_with("HTTP/1.1 413"));
  EXPECT_TRUE(raw(server.port(), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
                  .starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(raw(server.port(), "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(raw(server.port(), "POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=a\r\nContent-Length: 2\r\n\r\n--")
                  .starts_with("HTTP/1.1 415"));
  EXPECT_TRUE(raw(server.port(), "POST /" + std::string(9000, 'a') + " HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 414"));
  EXPECT_TRUE(raw(server.port(), "nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
  EXPECT_EQ(calls, 0);
  const auto begin = std::chrono::steady_clock::now();
  (void)raw(server.port(), "POST / HTTP/1.1\r\nHost: a\r\nContent-Len");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2500ms);
  EXPECT_EQ(calls, 0);
  EXPECT_TRUE(raw(server.port(), "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\na").starts_with("HTTP/1.1 200"));
}

TEST(Https, IdleAndSilentConnectionsHoldNoThreadAndStayUsable) {
  https::ServerOptions options;
  options.threads = 2;
  options.idle = 64;
  options.keep_alive = 30s;
  const Running server(options, echo);
  std::vector<std::unique_ptr<Raw>> idle, silent;
  for (int i = 0; i < 20; ++i) silent.push_back(std::make_unique<Raw>(server.port()));
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) idle.push_back(std::make_unique<Raw>(server.port()));
  for (int turn = 0; turn < 2; ++turn) {
    for (const auto& connection : idle) {
      connection->say("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nend");
      EXPECT_TRUE(connection->hear(2s, "end").starts_with("HTTP/1.1 200"));
    }
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
}

// The beginning of a TLS record that says it has 512 bytes.
const std::string kHalfAHello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);

TEST(Https, WhoDoesNotFinishItsHandshakeHoldsNoThread) {
  https::ServerOptions options = with_tls();
  options.threads = 2;
  options.read_timeout = 20s;
  const Running server(options, echo);
  std::vector<std::unique_ptr<Raw>> strangers;
  for (int i = 0; i < 40; ++i) {
    strangers.push_back(std::make_unique<Raw>(server.port()));
    if (i % 2 == 0) strangers.back()->say(kHalfAHello);
  }
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(https::Client(to(server.port())).send(post("/", "x")).status, 200);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
}

TEST(Https, AHandshakeHasOneLimitHoweverManyBytesComeMeanwhile) {
  const Running server(with_tls(), echo);  // 2 s
  const Raw silent(server.port()), slow(server.port());
  slow.say(kHalfAHello);
  const auto begin = std::chrono::steady_clock::now();
  std::thread drips([&] {
    for (int i = 0; i < 40; ++i) {
      slow.say("x");
      std::this_thread::sleep_for(100ms);
    }
  });
  EXPECT_EQ(silent.hear(5s), "");
  EXPECT_EQ(slow.hear(5s), "");
  const auto took = std::chrono::steady_clock::now() - begin;
  drips.join();
  EXPECT_GT(took, 1500ms);
  EXPECT_LT(took, 3500ms);
}

TEST(Https, WhoSendsARequestSlowlyKeepsNobodyOut) {
  https::ServerOptions options;
  options.threads = 2;
  options.read_timeout = 20s;
  const Running server(options, echo);
  const std::string begun = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\n";
  {
    const Raw alone(server.port());  // it disturbs nobody
    alone.say(begun);
    std::this_thread::sleep_for(400ms);
    alone.say("end");
    EXPECT_TRUE(alone.hear(2s, "end").starts_with("HTTP/1.1 200"));
  }
  std::vector<std::unique_ptr<Raw>> slow;
  for (int i = 0; i < 20; ++i) {
    slow.push_back(std::make_unique<Raw>(server.port()));
    slow.back()->say(begun);
  }
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(raw(server.port(), begun + "end").starts_with("HTTP/1.1 200"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 6s);
}

// More than the buffers of both ends take.
https::Response endless(const https::Request& request) {
  if (request.target == "/small") return echo(request);
  if (request.target == "/whole") return {.status = 200, .content_type = "text/plain", .headers = {}, .body = std::string(32 << 20, 'x')};
  https::Response response{.status = 200, .content_type = "text/plain"};
  response.stream = [](const https::Sink& sink) {
    while (sink(std::string(8192, 'x'))) {
    }
  };
  return response;
}

TEST(Https, WhoDoesNotReadItsAnswersKeepsNobodyOut) {
  for (const std::string target : {"/whole", "/stream"}) {
    https::ServerOptions options;
    options.threads = 2;
    const Running server(options, endless);
    const std::string asked = "POST " + target + " HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    std::vector<std::unique_ptr<Raw>> deaf;
    for (int i = 0; i < 4; ++i) {
      deaf.push_back(std::make_unique<Raw>(server.port()));
      deaf.back()->say(asked + asked + asked);
    }
    std::this_thread::sleep_for(50ms);
    const auto begin = std::chrono::steady_clock::now();
    const std::string small = "POST /small HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nend";
    EXPECT_TRUE(raw(server.port(), small, 10s).starts_with("HTTP/1.1 200")) << target;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 8s) << target;
  }
}

TEST(Https, AnAnswerIsNotTakenAByteAtATime) {
  https::ServerOptions options;
  options.write_timeout = 1s;
  const Running server(options, endless);
  const Raw slow(server.port());
  slow.say("POST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  for (int i = 0; i < 20; ++i) {  // 10 MiB of 32, and each time the server can write again
    std::this_thread::sleep_for(100ms);
    slow.take(512 << 10);
  }
  EXPECT_LT(slow.hear(3s).size(), 20U << 20);
}

TEST(Https, AStreamedAnswerIsNotCutWhileItsClientReads) {
  https::ServerOptions options;
  options.threads = 2;
  const Running server(options, endless);
  const std::string asked = "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
  const Raw one(server.port()), other(server.port());
  one.say(asked);
  other.say(asked);
  std::this_thread::sleep_for(50ms);
  const Raw waits(server.port());
  waits.say(asked);
  for (int i = 0; i < 40; ++i) {  // slower than the server's buffer becomes writable again
    one.take(48 << 10);
    other.take(48 << 10);
    std::this_thread::sleep_for(100ms);
  }
  EXPECT_EQ(waits.hear(10ms), "");
}

TEST(Https, OneAddressCrowdsOutItsOwnConnectionsOnly) {
  https::ServerOptions options;
  options.threads = 2;
  options.idle = 8;
  options.keep_alive = 30s;
  const Running server(options, echo);
  const std::string request = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nend";
  const Raw other(server.port(), "127.0.0.2");
  other.say(request);
  ASSERT_TRUE(other.hear(2s, "end").starts_with("HTTP/1.1 200"));
  std::this_thread::sleep_for(50ms);  // it is parked
  std::vector<std::unique_ptr<Raw>> crowd;
  for (int i = 0; i < 40; ++i) crowd.push_back(std::make_unique<Raw>(server.port()));
  EXPECT_EQ(crowd[0]->hear(3s), "");
  other.say(request);
  EXPECT_TRUE(other.hear(2s, "end").starts_with("HTTP/1.1 200"));
}

TEST(Https, BeyondTheBoundTheLongestIdleConnectionIsClosedAndIdleOnesInTime) {
  https::ServerOptions options;
  options.threads = 2;
  options.idle = 3;
  options.keep_alive = 1s;
  const Running server(options, echo);
  std::vector<std::unique_ptr<Raw>> idle;
  for (int i = 0; i < 5; ++i) {
    idle.push_back(std::make_unique<Raw>(server.port()));
    idle.back()->say("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nend");
    EXPECT_TRUE(idle.back()->hear(2s, "end").starts_with("HTTP/1.1 200"));
    std::this_thread::sleep_for(20ms);  // it is parked
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(idle[0]->hear(3s), "");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 500ms);
  EXPECT_EQ(idle[4]->hear(3s), "");
  EXPECT_GT(std::chrono::steady_clock::now() - begin, 700ms);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
}

TEST(Https, OneConnectionMoreThanMayWaitIsClosedAtOnce) {
  https::ServerOptions options;
  options.threads = 1;
  options.waiting = 1;
  std::atomic<bool> hold{true};
  const Running server(options, [&hold](const https::Request& request) {
    while (hold) std::this_thread::sleep_for(5ms);
    return echo(request);
  });
  const std::string request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nend";
  const Raw served(server.port());
  served.say(request);
  std::this_thread::sleep_for(100ms);
  const Raw waits(server.port());
  waits.say(request);
  std::this_thread::sleep_for(100ms);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(raw(server.port(), request), "");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 500ms);
  hold = false;
  EXPECT_TRUE(served.hear(2s, "end").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(waits.hear(2s, "end").starts_with("HTTP/1.1 200"));
}

TEST(Https, RequestsSentAtOnceAreAnsweredInTheirOrder) {
  https::ServerOptions options;
  options.threads = 1;
  const Running server(options, echo);
  std::string three;
  for (int i = 0; i < 3; ++i) three += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n" + (i == 2 ? "end" : "mid");
  const Raw connection(server.port());
  connection.say(three);
  const std::string answer = connection.hear(2s, "end");
  EXPECT_LT(answer.find("POST /0"), answer.find("POST /1"));
  EXPECT_LT(answer.find("POST /1"), answer.find("POST /2"));
  EXPECT_TRUE(answer.ends_with("end"));
}

TEST(Https, StreamsPieceByPieceAndStopsWhenTheClientHasEnough) {
  std::atomic<bool> ended{false};
  const Running server(with_tls(), [&](const https::Request&) {
    https::Response response{.status = 200, .content_type = "text/event-stream"};
    response.stream = [&ended](const https::Sink& sink) {
      for (int i = 0; i < 200; ++i) {
        if (!sink("piece\n")) break;
        std::this_thread::sleep_for(5ms);
      }
      ended = true;
    };
    return response;
  });
  std::string got;
  https::Client client(to(server.port()));
  client.send(post("/", ""), [&](std::string_view piece) {
    got += piece;
    return got.size() < 18;
  });
  EXPECT_GE(got.size(), 18U);
  EXPECT_LT(got.size(), 1200U);
  for (int i = 0; i < 200 && !ended; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_TRUE(ended);
}

TEST(Https, TheHeadIsThereBeforeTheBody) {
  const Running server(with_tls(), echo);
  https::Client client(to(server.port()));
  std::string body;
  int heads = 0;
  const auto head = [&](const https::Response& begun) {
    ++heads;
    EXPECT_EQ(begun.status, 200);
    EXPECT_EQ(begun.content_type, "text/plain");
    EXPECT_NE(std::find(begun.headers.begin(), begun.headers.end(), std::pair<std::string, std::string>("X-Answer", "yes")), begun.headers.end());
    EXPECT_EQ(body, "");
    return true;
  };
  EXPECT_EQ(client.send(post("/", "x"), [&](std::string_view piece) { return body += piece, true; }, head).status, 200);
  EXPECT_EQ(heads, 1);
  EXPECT_TRUE(body.ends_with("x"));
  EXPECT_TRUE(client.send(post("/", "y"), nullptr, [](const https::Response&) { return true; }).body.ends_with("y"));
  EXPECT_EQ(client.send(post("/", "x"), nullptr, [](const https::Response&) { return false; }).status, 0);
}

TEST(Https, HangingUpEndsWhatWaits) {
  std::atomic<bool> asked{false};
  const Running server(with_tls(), [&asked](const https::Request& request) {
    if (request.target == "/slow") {
      asked = true;
      std::this_thread::sleep_for(2s);
    }
    return echo(request);
  });
  https::Client client(to(server.port()));
  client.hang_up();  // nothing is there: nothing happens
  std::thread other([&] {
    while (!asked) std::this_thread::sleep_for(5ms);
    client.hang_up();
  });
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THROW(client.send(post("/slow", "")), https::HttpsError);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1500ms);
  other.join();
  EXPECT_EQ(client.send(post("/", "")).status, 200);
}

TEST(Https, AHandlerThatThrowsIsAnErrorOfThatRequestOnly) {
  const Running server(with_tls(), [](const https::Request& request) -> https::Response {
    if (request.target == "/throw") throw std::runtime_error("a secret of the inside");
    return echo(request);
  });
  https::Client client(to(server.port()));
  const https::Response failed = client.send(post("/throw", ""));
  EXPECT_EQ(failed.status, 500);
  EXPECT_EQ(failed.body.find("secret"), std::string::npos);
  EXPECT_EQ(client.send(post("/", "")).status, 200);
}

TEST(Https, AnAnswerBeyondTheBoundOrTheTimeIsAnError) {
  const Running server(with_tls(), [](const https::Request& request) -> https::Response {
    if (request.target == "/slow") std::this_thread::sleep_for(700ms);
    return {.status = 200, .content_type = "text/plain", .headers = {}, .body = std::string(1000, 'x')};
  });
  https::ClientOptions bounded = to(server.port());
  bounded.largest_body = 999;
  EXPECT_THROW(https::Client(bounded).send(post("/", "")), https::HttpsError);
  https::ClientOptions hasty = to(server.port());
  hasty.total_timeout = 250ms;
  https::Client client(hasty);
  EXPECT_EQ(client.send(post("/", "")).status, 200);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THROW(client.send(post("/slow", "")), https::HttpsError);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 600ms);
}

// Stands between one client and the server, and passes records on until it is told otherwise.
class Between {
 public:
  enum class Deed : std::uint8_t { kNone, kAlterAnswer, kAlterRequest, kCutAnswer, kEndAnswer, kResetAnswer };
  explicit Between(int port) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 8) != 0) return;
    if (getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0) port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, port] {
      for (int victim = 0; (victim = accept(listener_, nullptr, nullptr)) >= 0; close(victim)) carry(victim, port);
    });
  }
  ~Between() {
    shutdown(listener_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    close(listener_);
  }
  Between(const Between&) = delete;
  Between& operator=(const Between&) = delete;
  [[nodiscard]] int port() const { return port_; }
  void next(Deed deed) { deed_ = deed; }  // done once, to the next record

 private:
  static bool take(int from, std::string& to, std::size_t size) {
    const std::size_t before = to.size();
    to.resize(before + size);
    return size == 0 || recv(from, to.data() + before, size, MSG_WAITALL) == static_cast<ssize_t>(size);
  }
  // RFC 8446, 5.1: type, version, length, fragment.
  bool pass_record(int from, int to, Deed altering) {
    std::string record;
    if (!take(from, record, 5) || !take(from, record, static_cast<std::size_t>(static_cast<unsigned char>(record[3]) << 8 | static_cast<unsigned char>(record[4])))) {
      return false;
    }
    const Deed deed = deed_;
    const bool ends = altering == Deed::kAlterAnswer && (deed == Deed::kCutAnswer || deed == Deed::kEndAnswer || deed == Deed::kResetAnswer);
    if (deed == altering || ends) deed_ = Deed::kNone;
    if (ends && deed == Deed::kResetAnswer) {
      const linger at_once{.l_onoff = 1, .l_linger = 0};
      setsockopt(to, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
      reset_ = true;
    }
    if (deed == altering) record.back() = static_cast<char>(record.back() ^ 1);
    if (ends) record.resize(deed == Deed::kCutAnswer ? record.size() / 2 : 0);
    (void)!send(to, record.data(), record.size(), MSG_NOSIGNAL);
    return !ends;
  }
  void carry(int victim, int port) {
    const int real = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(static_cast<std::uint16_t>(port)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    pollfd waited[] = {{victim, POLLIN, 0}, {real, POLLIN, 0}};
    if (connect(real, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
      while (poll(waited, 2, 10'000) > 0) {
        if (waited[0].revents != 0 && !pass_record(victim, real, Deed::kAlterRequest)) break;
        if (waited[1].revents != 0 && !pass_record(real, victim, Deed::kAlterAnswer)) break;
      }
    }
    if (!reset_) shutdown(victim, SHUT_WR);
    reset_ = false;
    close(real);
  }

  int listener_, port_{0};
  std::atomic<Deed> deed_{Deed::kNone};
  bool reset_{};  // the thread's
  std::thread thread_;
};

TEST(Https, WhatWasAlteredOrCutOnTheWayIsSaidAsThatAndWhoseItWas) {
  const Running server(with_tls(), echo);
  Between between(server.port());
  const std::string peer = "server.test:" + std::to_string(between.port()) + ": ";
  const struct {
    Between::Deed deed;
    std::string said;
  } cases[] = {
      {Between::Deed::kAlterAnswer, "a record of the TLS connection was altered on the way (decryption failed or bad record mac)"},
      {Between::Deed::kAlterRequest, "a record of the TLS connection was altered on the way, says the server (sslv3 alert bad record mac)"},
      {Between::Deed::kCutAnswer, "the TLS connection was cut on the way, without a goodbye (unexpected eof while reading)"},
      {Between::Deed::kEndAnswer, "the TLS connection was cut on the way, without a goodbye (unexpected eof while reading)"},
  };
  https::Client client(to(between.port()));
  for (const auto& [deed, said] : cases) {
    EXPECT_EQ(client.send(post("/", "x")).status, 200);
    between.next(deed);
    try {
      (void)client.send(post("/", "x"));
      ADD_FAILURE() << said;
    } catch (const https::ConnectionAltered& error) {
      EXPECT_EQ(error.what(), peer + said);
    }
  }
  EXPECT_EQ(client.send(post("/", "x")).status, 200);
  between.next(Between::Deed::kResetAnswer);
  try {
    (void)client.send(post("/", "x"));
    ADD_FAILURE();
  } catch (const https::HttpsError& error) {
    EXPECT_EQ(error.what(), peer + "the connection was reset, or nothing came for " + std::to_string(to(1).read_timeout.count()) + " ms");
  }
  // What was said of a connection is not said of the next.
  EXPECT_EQ(client.send(post("/", "x")).status, 200);
  https::Client nowhere(to(1));
  try {
    (void)nowhere.send(post("/", "x"));
    ADD_FAILURE();
  } catch (const https::ConnectionAltered& error) {
    ADD_FAILURE() << error.what();
  } catch (const https::HttpsError&) {
  }
}

TEST(Https, RefusesOlderTlsAndWrongSetUps) {
  const Running server(with_tls(), echo);
  https::ServerOptions taken = with_tls();
  taken.port = server.port();
  EXPECT_THROW(https::Server(taken, echo), std::runtime_error);
  https::ServerOptions mixed = with_tls();
  mixed.key_pem = PrivateKey::generate(KeyKind::kP256).pkcs8_pem();
  EXPECT_THROW(https::Server(mixed, echo), std::runtime_error);
  https::ServerOptions name = with_tls();
  name.address = "localhost";
  EXPECT_THROW(https::Server(name, echo), std::runtime_error);
  https::ServerOptions old = with_tls();
  old.minimum_tls = "1.1";
  EXPECT_THROW(https::Server(old, echo), std::runtime_error);
}

}  // namespace
