// inference-service: the program of an inference enclave. In this order: the ways out and in, what the parent brings, one
// attestation document, the keys of both owners, the model into memory, llama-server, the door. When any of it fails, nothing is
// served: the last word goes to the parent's store and to the console, and the enclave ends.
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "guests/enclave/inference/configuration.hpp"
#include "guests/enclave/inference/gateway.hpp"
#include "guests/enclave/inference/model_process.hpp"
#include "guests/enclave/inference/store_client.hpp"
#include "guests/enclave/keys/artifact_fetch.hpp"
#include "guests/enclave/keys/kms_client.hpp"
#include "guests/relay/relay.hpp"

namespace inference {
namespace {

constexpr const char* kService = "/etc/cofferdam/service.json";
constexpr std::size_t kMostFile = 1 << 20;
constexpr int kModelPort = 8080, kGatewayPort = 8443, kFirstKeyPort = 8001;  // loopback
constexpr std::size_t kSecret = 32;  // bytes of the prompts' owner
constexpr const char* kNsm = "/dev/nsm";
constexpr std::chrono::seconds kLoadTime{1800}, kLastWords{10};

// An owner's key service did not release what was asked for.
class NotReleased : public std::runtime_error {
 public:
  NotReleased(Owner owner, const std::string& why)
      : std::runtime_error("refused: the owner of the " + std::string(name_of(owner)) + " does not release the key: " + why) {}
};

std::string file_content(const std::string& path) {
  try {
    const cofferdam::Bytes bytes = cofferdam::read_file(path, kMostFile);
    return std::string(cofferdam::as_text(bytes));
  } catch (const cofferdam::Unreadable& error) {
    throw BadConfiguration(error.what());
  }
}

// Loopback ports that lead to the owners' key services, and the vsock port that leads to the door.
std::vector<relay::Route> routes_of(const Service& service) {
  std::vector<relay::Route> routes;
  for (const Owner owner : kOwners) {
    const int port = kFirstKeyPort + static_cast<int>(owner);
    relay::Address out = service.parent;
    if (auto* vsock = std::get_if<relay::VsockAddress>(&out)) vsock->port = service.of(owner).vsock_port;
    routes.push_back({relay::TcpAddress{"127.0.0.1", static_cast<std::uint16_t>(port)}, out, std::nullopt});
  }
  const auto listen = relay::parse_address("vsock:" + std::to_string(service.listen_port), relay::Purpose::kListen);
  routes.push_back({*listen, relay::TcpAddress{"127.0.0.1", kGatewayPort}, std::nullopt});
  return routes;
}

enclave_keys::Endpoint endpoint_of(const Service& service, const Launch& launch, Owner owner) {
  const KeyOwner& from = service.of(owner);
  enclave_keys::Endpoint endpoint;
  endpoint.host = from.host;
  endpoint.port = from.port;
  endpoint.connect_to = "127.0.0.1";
  endpoint.connect_port = kFirstKeyPort + static_cast<int>(owner);
  endpoint.region = from.region;
  endpoint.ca_pem = from.ca_pem;
  endpoint.credential = launch.credential(owner);
  return endpoint;
}

// What the call gives; a key service's refusal, which has AWS's name of the error, with the owner's name.
template <class Call>
auto released_by(Owner owner, Call&& call) {
  try {
    return call();
  } catch (const kmsclient::KeyServiceError& error) {
    throw NotReleased(owner, error.what());
  } catch (const enclave_keys::BadEnvelope& error) {
    throw NotReleased(owner, std::string("its answer can't be opened: ") + error.what());
  }
}

enclave_keys::MemoryFile fetch_model(const Service& service, const Launch& launch, enclave_keys::KmsClient& weights) {
  StoredFile stored(service.parent, launch.artifact);
  enclave_keys::FetchRequest request;
  request.name = "model";
  request.required = service.of(Owner::kWeights).context;
  request.key_arn = service.of(Owner::kWeights).key_arn;
  request.most_bytes = service.most_bytes;
  const enclave_keys::DataKeyOf data_key = enclave_keys::data_key_from(weights);
  return enclave_keys::fetch_and_decrypt(
      [&stored](std::span<std::uint8_t> out) { return stored.read(out); },
      [&data_key](const artifact::EncryptedDataKey& encrypted, const artifact::Context& context) {
        return released_by(Owner::kWeights, [&] { return data_key(encrypted, context); });
      },
      request);
}

void run(const Service& service) {
  // It lives as long as the process: its thread runs while a failure unwinds.
  auto& carrier = *new relay::Relay(routes_of(service), {},
                                    [](const std::string& line) { std::fprintf(stderr, "relay: %s\n", line.c_str()); });
  std::thread([&carrier] { carrier.run(); }).detach();
  const Launch launch = parse_launch(whole_file(service.parent, "launch.json", kMostFile));

  // One key and one document for both owners: they judge the same enclave.
  const auto recipient = std::make_shared<enclave_keys::Recipient>(enclave_keys::nsm_documents());
  enclave_keys::KmsClient prompts(endpoint_of(service, launch, Owner::kPrompts), recipient);
  enclave_keys::KmsClient weights(endpoint_of(service, launch, Owner::kWeights), recipient);
  const KeyOwner& prompts_owner = service.of(Owner::kPrompts);
  cryptography::SecretBytes secret = released_by(Owner::kPrompts, [&] {
    return prompts.decrypt(launch.prompts_ciphertext, prompts_owner.key_arn, prompts_owner.context, {}, kSecret);
  });
  say(service.parent, "the owner of the prompts has released the key");
  const enclave_keys::MemoryFile model = fetch_model(service, launch, weights);
  say(service.parent, "the owner of the weights has released the key; the model is whole");

  const Identity identity = new_identity();
  const auto documents = [](cofferdam::ByteView nonce, cofferdam::ByteView user_data) {
    const enclave_keys::DocumentExtras extras{{nonce.begin(), nonce.end()}, {user_data.begin(), user_data.end()}};
    return enclave_keys::nsm_documents(extras)({});
  };
  Gateway gateway({.port = kModelPort}, identity.key.public_key(), std::move(secret), documents,
                  {.questions = questions_at_once(service)});
  // Linux lets everybody open it. What reads a stranger's model must not speak for this enclave.
  if (::chmod(kNsm, S_IRUSR | S_IWUSR) != 0) throw std::runtime_error("/dev/nsm can't be kept from llama-server");
  ModelProcess process(service, model.descriptor(), kModelPort);
  process.wait_until_ready(kLoadTime);
  https::Server server(server_options(identity, kGatewayPort, questions_at_once(service)),
                       [&gateway](const https::Request& request) { return gateway.answer(request); });
  std::thread([&server] { server.run(); }).detach();
  say(service.parent, "serving " + service.model);
  std::fprintf(stderr, "inference-service: serving\n");
  const std::string end = process.wait_for_end();
  gateway.close(kLastWords);
  say(service.parent, "error: llama-server ended " + end);
  std::fprintf(stderr, "inference-service: llama-server ended %s\n", end.c_str());
  std::_Exit(1);  // the threads above hold references to what would go
}

}  // namespace
}  // namespace inference

int main() {
  std::signal(SIGPIPE, SIG_IGN);
  inference::Service service;
  std::string last;
  try {
    service = inference::parse_service(inference::file_content(inference::kService), inference::file_content);
  } catch (const inference::BadConfiguration& error) {
    std::fprintf(stderr, "inference-service: %s: %s; build the image anew\n", inference::kService, error.what());
    return 2;
  }
  try {
    inference::run(service);
  } catch (const inference::NotReleased& error) {
    last = error.what();
  } catch (const artifact::BadArtifact& error) {
    last = std::string("refused: the artifact: ") + error.what();
  } catch (const std::exception& error) {
    last = std::string("error: ") + error.what();
  }
  std::fprintf(stderr, "inference-service: %s\n", last.c_str());
  inference::say(service.parent, last);
  std::_Exit(1);
}
