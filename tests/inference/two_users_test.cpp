// Two users of one model at once, with the words that start llama-server in an enclave: each gets the answer that it gets alone, to the
// letter, and nothing of what was asked before is used again, nor decides which slot is next.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>

#include "guests/enclave/inference/gateway.hpp"
#include "guests/enclave/inference/model_process.hpp"
#include "guests/relay/stream_pair.hpp"
#include "tools/https/client.hpp"

namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;

constexpr const char* kEmulator = "/usr/bin/qemu-aarch64-static";

int free_port() {
  const relay::Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

// llama-server under emulation, from its packages unpacked for this run.
class Emulated {
 public:
  Emulated(const inference::Service& service, int port) {
    char name[] = "/tmp/two-users-XXXXXX";
    folder_ = ::mkdtemp(name);
    unpacked_ = std::system(("tar -xf " COFFERDAM_LLAMA " -C " + folder_).c_str()) == 0;
    std::vector<std::string> words{kEmulator, "-cpu", "max", "-L", folder_};
    for (const std::string& word : inference::model_command(service, port)) words.push_back(word.starts_with("/usr/bin/") ? folder_ + word : word);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    process_ = ::fork();
    if (process_ != 0) return;
    const int model = ::open(COFFERDAM_MODEL, O_RDONLY), nowhere = ::open("/dev/null", O_RDWR);
    ::dup2(model, inference::kModelFile);
    for (const int standard : {0, 1, 2}) ::dup2(nowhere, standard);
    if (::chdir(folder_.c_str()) == 0) ::execv(kEmulator, arguments.data());
    ::_exit(127);
  }
  ~Emulated() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    std::filesystem::remove_all(folder_);
  }
  [[nodiscard]] bool unpacked() const { return unpacked_; }

 private:
  std::string folder_;
  bool unpacked_{};
  pid_t process_{};
};

bool is_ready(int port) {
  for (int i = 0; i < 240; ++i, std::this_thread::sleep_for(500ms)) {
    try {
      https::ClientOptions options;
      options.host = "127.0.0.1";
      options.port = port;
      options.tls = false;
      if (https::Client(options).send({.method = "GET", .target = "/health", .headers = {}, .body = {}, .client_name = {}}).status == 200) return true;
    } catch (const https::HttpsError&) {
    }
  }
  return false;
}

TEST(TwoUsers, AtOnceEachGetsWhatItGetsAlone) {
  for (const char* needed : {kEmulator, COFFERDAM_LLAMA, COFFERDAM_MODEL}) {
    if (!std::filesystem::exists(needed)) GTEST_SKIP() << needed << " is missing";
  }
  inference::Service service;
  service.model = "measured";
  service.context_tokens = 128;
  service.parallel = 2;
  const int port = free_port();
  const Emulated model(service, port);
  ASSERT_TRUE(model.unpacked());
  ASSERT_TRUE(is_ready(port)) << "llama-server does not take these words, or does not start";

  const std::string secret(32, 's');
  const cryptography::PrivateKey key = cryptography::PrivateKey::generate(cryptography::KeyKind::kP256);
  inference::Gateway gateway({.port = port}, key.public_key(), cryptography::SecretBytes::copy_of(cofferdam::as_bytes(secret)),
                             [](cofferdam::ByteView, cofferdam::ByteView) { return cofferdam::Bytes(); },
                             {.questions = inference::questions_at_once(service), .head = 300s});
  const auto ask = [&](const std::string& words) {
    const Json body{{"messages", {{{"role", "user"}, {"content", words}}}}, {"max_tokens", 8}, {"temperature", 0}, {"seed", 1}};
    const https::Response response = gateway.answer({.method = "POST", .target = "/v1/chat/completions",
                                                     .headers = {{"Authorization", "Bearer " + secret}, {"Content-Type", "application/json"}}, .body = body.dump(),
                                                     .client_name = {}});
    std::string text;
    if (response.stream) response.stream([&text](std::string_view piece) { return text += piece, true; });
    EXPECT_EQ(response.status, 200) << response.body << text;
    return Json::parse(text);
  };
  const auto content = [](const Json& answer) { return answer["choices"][0]["message"]["content"].get<std::string>(); };

  const std::string first = "What is Cofferdam?", second = "How is an enclave measured?";
  const std::string first_alone = content(ask(first)), second_alone = content(ask(second));
  EXPECT_NE(first_alone, "");
  EXPECT_NE(first_alone, second_alone) << "the questions must be told apart by their answers";
  for (int i = 0; i < 2; ++i) {
    auto other = std::async(std::launch::async, [&] { return ask(first); });
    const Json here = ask(second), there = other.get();
    EXPECT_EQ(content(here), second_alone);
    EXPECT_EQ(content(there), first_alone);
    for (const Json& answer : {here, there}) {
      EXPECT_EQ(answer["model"], "measured");
      EXPECT_EQ(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 0) << "what was asked before shortens the time of an answer";
    }
  }
  // Asked of llama-server itself: the gateway has no path whose answer names the slot.
  const auto slot = [port](const std::string& prompt) {
    https::ClientOptions options;
    options.host = "127.0.0.1";
    options.port = port;
    options.tls = false;
    options.read_timeout = 300s;
    const std::string body = Json{{"prompt", prompt}, {"n_predict", 1}, {"cache_prompt", false}}.dump();
    const https::Response response = https::Client(options).send(
        {.method = "POST", .target = "/completion", .headers = {{"Content-Type", "application/json"}}, .body = body, .client_name = {}});
    EXPECT_EQ(response.status, 200) << response.body;
    return Json::parse(response.body)["id_slot"].get<int>();
  };
  const int one = slot("A long question about weights: whose are they?"), other = slot("Cores, memory and devices, and who may have them.");
  EXPECT_NE(one, other);
  EXPECT_EQ(slot("Cores, memory and devices, and who may have them."), one) << "a slot is chosen by what was asked in it";
}

}  // namespace
