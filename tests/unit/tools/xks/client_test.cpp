// The key service's client against a server that answers what a test tells it to: what the client believes, and what it doesn't.
#include "tools/xks/client.hpp"

#include <gtest/gtest.h>

#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "tools/https/server.hpp"
#include "tools/sigv4/sigv4.hpp"

namespace {

using cofferdam::as_bytes;
using cofferdam::Bytes;
using cofferdam::to_base64;
using namespace std::chrono_literals;
using Json = nlohmann::json;
using xks::FailureKind;

constexpr const char* kId = "ABCDEFGHIJKLMNOPQRST";
const std::string kSecret(43, 's');
const xks::RequestMetadata kRequest{.principal_arn = "arn:p", .key_arn = "arn:k", .operation = "Encrypt", .request_id = "1", .via_service = {},
                                    .source_vpc = {}, .source_vpce = {}};

const cryptography::PrivateKey& key() {
  static const auto it = cryptography::PrivateKey::generate(cryptography::KeyKind::kP256);
  return it;
}
const std::string& certificate() {
  static const std::string it = cryptography::self_signed_pem(key(), "proxy.test", {"proxy.test"}, 1);
  return it;
}

class FakeProxy {
 public:
  explicit FakeProxy(https::Handler answer) : server_(options(), std::move(answer)), thread_([this] { server_.run(); }) {}
  ~FakeProxy() {
    server_.stop();
    thread_.join();
  }
  [[nodiscard]] xks::ProxyAddress address() const { return address_of(server_.port()); }
  static xks::ProxyAddress address_of(int port) {
    xks::ProxyAddress address;
    address.endpoint = "https://proxy.test:" + std::to_string(port);
    address.uri_path = "/a/kms/xks/v1";
    address.region = "eu-central-1";
    address.access_key_id = kId;
    address.secret = kSecret;
    address.ca_pem = certificate();
    address.connect_to = "127.0.0.1";
    return address;
  }

 private:
  static https::ServerOptions options() {
    https::ServerOptions options;
    options.certificate_pem = certificate();
    options.key_pem = key().pkcs8_pem();
    return options;
  }
  https::Server server_;
  std::thread thread_;
};

https::Response json(int status, const Json& body) { return {.status = status, .content_type = "application/json", .headers = {}, .body = body.dump()}; }

xks::Encrypted sealed(std::size_t size = 5) {
  return {.ciphertext = Bytes(size, 1), .metadata = {9}, .iv = Bytes(12, 2), .tag = Bytes(16, 3)};
}
Json sealed_json(const xks::Encrypted& encrypted, cofferdam::ByteView associated) {
  return {{"ciphertext", to_base64(encrypted.ciphertext)}, {"ciphertextMetadata", to_base64(encrypted.metadata)},
          {"initializationVector", to_base64(encrypted.iv)}, {"authenticationTag", to_base64(encrypted.tag)},
          {"ciphertextDataIntegrityValue", to_base64(xks::integrity_value(associated, encrypted))}};
}

TEST(XksClient, SendsWhatTheApiAsksForSignedAndReadsTheAnswer) {
  https::Request seen;
  const FakeProxy proxy([&seen](const https::Request& request) {
    seen = request;
    return json(200, sealed_json(sealed(), as_bytes("aad")));
  });
  xks::Client client(proxy.address());
  const auto result = client.encrypt("key-1", as_bytes("aad"), as_bytes("hello"), kRequest);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->tag, Bytes(16, 3));
  EXPECT_EQ(result->metadata, Bytes{9});
  EXPECT_EQ(seen.target, "/a/kms/xks/v1/keys/key-1/encrypt");
  const Json body = Json::parse(seen.body);
  EXPECT_EQ(body, (Json{{"requestMetadata", {{"awsPrincipalArn", "arn:p"}, {"kmsKeyArn", "arn:k"}, {"kmsOperation", "Encrypt"}, {"kmsRequestId", "1"}}},
                        {"plaintext", to_base64(as_bytes("hello"))}, {"additionalAuthenticatedData", to_base64(as_bytes("aad"))},
                        {"encryptionAlgorithm", "AES_GCM"}, {"ciphertextDataIntegrityValueAlgorithm", "SHA_256"}}));
  const auto verdict = sigv4::verify(seen, {.service = "kms-xks-proxy", .region = "eu-central-1", .time = std::time(nullptr), .most_skew_seconds = 300,
                                            .secret_of = [](std::string_view) { return std::optional(kSecret); }});
  EXPECT_FALSE(verdict.fault) << verdict.message;
}

TEST(XksClient, EveryBrokenAnswerIsRefusedWhole) {
  Json answer;
  const FakeProxy proxy([&answer](const https::Request&) { return json(200, answer); });
  xks::Client client(proxy.address());
  const auto with = [&](const char* name, const Json& value) {
    answer = sealed_json(sealed(), {});
    if (value.is_discarded()) answer.erase(name);
    else answer[name] = value;
    const auto result = client.encrypt("k", {}, as_bytes("hello"), kRequest);
    return !result && result.error().kind == FailureKind::kInvalidResponse;
  };
  const Json missing(Json::value_t::discarded);
  for (const char* name : {"ciphertext", "initializationVector", "authenticationTag", "ciphertextDataIntegrityValue"}) {
    EXPECT_TRUE(with(name, missing)) << name;
    EXPECT_TRUE(with(name, 1)) << name;
    EXPECT_TRUE(with(name, "%")) << name;
    EXPECT_TRUE(with(name, to_base64(Bytes(13, 1)))) << name;
  }
  EXPECT_TRUE(with("ciphertextMetadata", to_base64(Bytes{8})));  // not what the integrity value covers
  EXPECT_TRUE(with("ciphertextMetadata", to_base64(Bytes(21))));
  answer = sealed_json(sealed(6), {});
  EXPECT_FALSE(client.encrypt("k", {}, as_bytes("hello"), kRequest));  // of another size than the plaintext
  answer = sealed_json(sealed(), as_bytes("other"));
  EXPECT_FALSE(client.encrypt("k", {}, as_bytes("hello"), kRequest));  // over other associated data
  answer = {{"plaintext", to_base64(as_bytes("hell"))}};
  const auto opened = client.decrypt("k", {}, sealed(), kRequest);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, FailureKind::kInvalidResponse);
  for (const Json& broken : {Json{{"keySpec", "AES_256"}}, Json{{"keySpec", "AES_256"}, {"keyUsage", "ENCRYPT"}, {"keyStatus", "ENABLED"}},
                             Json{{"keySpec", "AES_256"}, {"keyUsage", Json::array()}, {"keyStatus", "PERHAPS"}},
                             Json{{"keySpec", "AES_256"}, {"keyUsage", Json(std::vector<std::string>(11, "ENCRYPT"))}, {"keyStatus", "ENABLED"}}}) {
    answer = broken;
    EXPECT_FALSE(client.metadata("k", kRequest)) << broken;
    EXPECT_FALSE(client.health(kRequest)) << broken;
  }
  answer = {{"keySpec", "AES_128"}, {"keyUsage", {"DECRYPT"}}, {"keyStatus", "DISABLED"}};
  const auto metadata = client.metadata("k", kRequest);
  ASSERT_TRUE(metadata);
  EXPECT_FALSE(metadata->is_aes_256 || metadata->may_encrypt || metadata->enabled);
  EXPECT_TRUE(metadata->may_decrypt);
}

TEST(XksClient, ErrorsKeepTheirMeaningAndOnlyWithTheirStatus) {
  https::Response answer;
  const FakeProxy proxy([&answer](const https::Request&) { return answer; });
  xks::Client client(proxy.address());
  const auto kind = [&](int status, const std::string& body) {
    answer = {.status = status, .content_type = "application/json", .headers = {}, .body = body};
    const auto result = client.health(kRequest);
    return result ? std::nullopt : std::optional(result.error().kind);
  };
  const auto named = [&](int status, const std::string& name) { return kind(status, Json{{"errorName", name}, {"errorMessage", "a\x01\xC3\xA4"}}.dump()); };
  EXPECT_EQ(named(400, "ValidationException"), FailureKind::kRejected);
  EXPECT_EQ(named(400, "InvalidStateException"), FailureKind::kKeyDisabled);
  EXPECT_EQ(named(400, "InvalidCiphertextException"), FailureKind::kInvalidCiphertext);
  EXPECT_EQ(named(400, "InvalidKeyUsageException"), FailureKind::kKeyUsage);
  EXPECT_EQ(named(401, "AuthenticationFailedException"), FailureKind::kAuthentication);
  EXPECT_EQ(named(403, "AccessDeniedException"), FailureKind::kAccessDenied);
  EXPECT_EQ(named(404, "KeyNotFoundException"), FailureKind::kKeyNotFound);
  EXPECT_EQ(named(404, "InvalidUriPathException"), FailureKind::kInvalidUri);
  EXPECT_EQ(named(429, "ThrottlingException"), FailureKind::kThrottled);
  EXPECT_EQ(named(501, "UnsupportedOperationException"), FailureKind::kUnsupported);
  EXPECT_EQ(named(503, "DependencyTimeoutException"), FailureKind::kDependencyTimeout);
  EXPECT_EQ(named(500, "InternalException"), FailureKind::kInternal);
  EXPECT_EQ(named(500, "KeyNotFoundException"), FailureKind::kInvalidResponse);
  EXPECT_EQ(named(400, "Other"), FailureKind::kInvalidResponse);
  EXPECT_EQ(kind(404, "<html>"), FailureKind::kInvalidResponse);
  EXPECT_EQ(kind(302, ""), FailureKind::kInvalidResponse);
  EXPECT_EQ(kind(200, "[]"), FailureKind::kInvalidResponse);
  EXPECT_EQ(kind(200, std::string(70000, ' ')), FailureKind::kUnreachable);  // beyond the bound: not read
}

TEST(XksClient, ASlowProxyCostsTheBudgetAndNoMore) {
  const FakeProxy proxy([](const https::Request&) {
    std::this_thread::sleep_for(600ms);
    return json(200, Json::object());
  });
  xks::Client client(proxy.address());
  const auto begin = std::chrono::steady_clock::now();
  const auto result = client.health(kRequest);
  const auto took = std::chrono::steady_clock::now() - begin;
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, FailureKind::kTimeout);
  EXPECT_GE(took, 200ms);
  EXPECT_LT(took, 450ms);
}

TEST(XksClient, AProxyThatIsUnpluggedIsDeadWithTheNextCallAndBackWhenItIs) {
  auto proxy = std::make_unique<FakeProxy>([](const https::Request&) { return json(200, sealed_json(sealed(), {})); });
  xks::ProxyAddress address = proxy->address();
  xks::Client client(address);
  ASSERT_TRUE(client.encrypt("k", {}, as_bytes("hello"), kRequest));
  proxy.reset();
  const auto begin = std::chrono::steady_clock::now();
  const auto dead = client.encrypt("k", {}, as_bytes("hello"), kRequest);
  ASSERT_FALSE(dead);
  EXPECT_EQ(dead.error().kind, FailureKind::kUnreachable);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
}

TEST(XksClient, AConnectionThatTheProxyClosesIsReplaced) {
  std::atomic<int> calls{0};
  const FakeProxy proxy([&calls](const https::Request&) {
    ++calls;
    https::Response response = json(200, sealed_json(sealed(), {}));
    response.headers.emplace_back("Connection", "close");
    return response;
  });
  xks::Client client(proxy.address());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(client.encrypt("k", {}, as_bytes("hello"), kRequest)) << i;
  EXPECT_EQ(calls, 5);
}

TEST(XksClient, AForeignCertificateIsUnreachable) {
  const FakeProxy proxy([](const https::Request&) { return json(200, Json::object()); });
  xks::ProxyAddress address = proxy.address();
  address.ca_pem = cryptography::self_signed_pem(cryptography::PrivateKey::generate(cryptography::KeyKind::kP256), "proxy.test", {"proxy.test"}, 1);
  const auto result = xks::Client(address).health(kRequest);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, FailureKind::kUnreachable);
}

TEST(XksClient, ANameServerThatHangsCostsNoMoreThanTheBudget) {
  const FakeProxy proxy([](const https::Request&) { return json(200, sealed_json(sealed(), {})); });
  xks::ProxyAddress address = proxy.address();
  address.connect_to.clear();
  const auto asked = std::make_shared<std::atomic<int>>(0);
  address.resolve = [asked](const std::string& host) -> std::vector<std::string> {
    EXPECT_EQ(host, "proxy.test");
    ++*asked;
    std::this_thread::sleep_for(800ms);
    return {"127.0.0.1"};
  };
  xks::Client client(address);
  for (int i = 0; i < 2; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const auto result = client.encrypt("k", {}, as_bytes("hello"), kRequest);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 600ms);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, FailureKind::kTimeout) << result.error().message;
  }
  std::this_thread::sleep_for(700ms);
  EXPECT_TRUE(client.encrypt("k", {}, as_bytes("hello"), kRequest)) << "what came late is there for the next";
  EXPECT_EQ(*asked, 1);
}

TEST(XksClient, EachAddressOfAHostIsTriedAndTheGoodOneKept) {
  const FakeProxy proxy([](const https::Request&) {
    https::Response response = json(200, sealed_json(sealed(), {}));
    response.headers.emplace_back("Connection", "close");
    return response;
  });
  xks::ProxyAddress address = proxy.address();
  address.connect_to.clear();
  address.budget = 5s;  // the machine may be busy
  const auto asked = std::make_shared<std::atomic<int>>(0);
  address.resolve = [asked](const std::string&) -> std::vector<std::string> {
    ++*asked;
    return {"127.0.0.9", "127.0.0.1"};  // nobody listens at the first
  };
  xks::Client client(address);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.encrypt("k", {}, as_bytes("hello"), kRequest));
  EXPECT_EQ(*asked, 1);
  address.resolve = [](const std::string&) { return std::vector<std::string>(); };
  xks::Client lost(address);
  const auto result = lost.encrypt("k", {}, as_bytes("hello"), kRequest);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, FailureKind::kUnreachable);
}

// A connection's limit is what its call had left when it was made: one that has little is not for later calls.
TEST(XksClient, LaterCallsHaveTheWholeBudgetWhateverTheFirstHadLeft) {
  std::atomic<int> calls{0};
  const FakeProxy proxy([&calls](const https::Request&) {
    if (++calls > 1) std::this_thread::sleep_for(1100ms);
    return json(200, sealed_json(sealed(), {}));
  });
  xks::ProxyAddress address = proxy.address();
  address.connect_to.clear();
  address.budget = 2s;
  address.resolve = [](const std::string&) -> std::vector<std::string> {
    std::this_thread::sleep_for(1100ms);
    return {"127.0.0.1"};
  };
  xks::Client client(address);
  ASSERT_TRUE(client.encrypt("k", {}, as_bytes("hello"), kRequest));
  for (int i = 0; i < 2; ++i) {
    const auto result = client.encrypt("k", {}, as_bytes("hello"), kRequest);
    EXPECT_TRUE(result) << result.error().message;
  }
  EXPECT_EQ(calls, 3);
}

TEST(XksClient, ManyThreadsShareIt) {
  const FakeProxy proxy([](const https::Request& request) {
    const Json body = Json::parse(request.body);
    return json(200, sealed_json({.ciphertext = *xks::strict_base64(body.at("plaintext").get<std::string>()), .metadata = {}, .iv = Bytes(12),
                                  .tag = Bytes(16)}, {}));
  });
  xks::ProxyAddress address = proxy.address();
  address.budget = 5s;  // the machine may be busy
  xks::Client client(address);
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 20; ++j) {
        const Bytes plaintext(static_cast<std::size_t>(1 + i * 20 + j), static_cast<std::uint8_t>(i));
        const auto result = client.encrypt("k", {}, plaintext, kRequest);
        if (result && result->ciphertext == plaintext) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 160);
}

TEST(XksClient, AddressesThatBreakTheRulesAreRefused) {
  const auto refused = [](auto change) {
    xks::ProxyAddress address = FakeProxy::address_of(443);
    change(address);
    try {
      const xks::Client client(address);
    } catch (const std::invalid_argument&) {
      return true;
    }
    return false;
  };
  EXPECT_FALSE(refused([](auto&) {}));
  for (const char* endpoint : {"http://a", "https://", "https://a:0", "https://a:65536", "https://a:1x", "https://a/b", "https://a@b", "https://a b"}) {
    EXPECT_TRUE(refused([&](auto& address) { address.endpoint = endpoint; })) << endpoint;
  }
  EXPECT_TRUE(refused([](auto& address) { address.uri_path = "/kms/xks/v2"; }));
  EXPECT_TRUE(refused([](auto& address) { address.secret.clear(); }));
}

}  // namespace
