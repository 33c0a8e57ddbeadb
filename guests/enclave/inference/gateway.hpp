// The service's door: TLS 1.3 that ends here, in the enclave; a document that binds the TLS key; and for whoever has the prompts'
// secret the way to llama-server. Prompts and answers are held in memory while they pass, and nowhere else.
//
// Questions and lists of models have places of their own, and fewer than the server has threads: whatever asks and reads slowly,
// and whatever llama-server does, documents and health are answered.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "guests/enclave/inference/model_exchange.hpp"
#include "guests/enclave/inference/places.hpp"
#include "tools/cryptography/cryptography.hpp"
#include "tools/https/server.hpp"

namespace inference {

struct Bounds {
  std::size_t questions{4};                   // at once, those included that llama-server lets wait; others shall come again
  std::size_t lists{2};                       // of models, at once: llama-server has as many threads beside those of questions
  std::chrono::seconds patience{86'400};      // for one piece of llama-server's answer, as one that isn't streamed is
  std::chrono::milliseconds head{10'000};     // after this the answer begins without llama-server's: the client is looked after
  std::chrono::milliseconds beat{5'000};      // between signs of life while it waits; a client that is gone is found out by them
  std::chrono::milliseconds reading{60'000};  // that a client may make us wait, over the whole of an answer
};

// Answers requests; on many threads at once.
class Gateway {
 public:
  // An attestation document with this nonce and user_data. Throws std::runtime_error.
  using Documents = std::function<cofferdam::Bytes(cofferdam::ByteView nonce, cofferdam::ByteView user_data)>;

  // `tls_key` is what the documents name. `secret` is what a client must bring as its bearer token. Throws std::runtime_error for one
  // that no client could bring.
  Gateway(Backend backend, const cryptography::PublicKey& tls_key, cryptography::SecretBytes secret, Documents documents,
          Bounds bounds = {});
  [[nodiscard]] https::Response answer(const https::Request& request);
  // llama-server has ended: takes no more questions, and lets clients hear that theirs has no answer. False: some still hear it.
  bool close(std::chrono::milliseconds limit);

 private:
  [[nodiscard]] bool may_ask(const https::Request& request) const;
  [[nodiscard]] https::Response attestation(std::string_view query);
  [[nodiscard]] https::Response models();
  [[nodiscard]] https::Response question(const https::Request& request, const std::string& path);

  Backend backend_;
  cryptography::Digest256 key_digest_, secret_digest_;
  Documents documents_;
  Bounds bounds_;
  Places places_, lists_;
  std::atomic<bool> closed_{false};
};

// TLS for the gateway: a P-256 key and a certificate that it signs for itself. They exist in this process alone.
struct Identity {
  cryptography::PrivateKey key;
  std::string certificate_pem;
};
[[nodiscard]] Identity new_identity();
[[nodiscard]] https::ServerOptions server_options(const Identity& identity, int port, std::size_t questions);

}  // namespace inference
