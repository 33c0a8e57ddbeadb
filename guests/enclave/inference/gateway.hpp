// The service's door: TLS 1.3 that ends here, in the enclave; a document that binds the TLS key; and for whoever has the prompts'
// secret the way to llama-server. Prompts and answers are held in memory while they pass, and nowhere else.
#pragma once

#include <functional>
#include <string>

#include "tools/cryptography/cryptography.hpp"
#include "tools/https/server.hpp"

namespace inference {

struct Backend {
  std::string host{"127.0.0.1"};
  int port{};
};

// Answers requests; on many threads at once.
class Gateway {
 public:
  // An attestation document with this nonce and user_data. Throws std::runtime_error.
  using Documents = std::function<cofferdam::Bytes(cofferdam::ByteView nonce, cofferdam::ByteView user_data)>;

  // `tls_key` is what the documents name. `secret` is what a client must bring as its bearer token.
  Gateway(Backend backend, const cryptography::PublicKey& tls_key, cryptography::SecretBytes secret, Documents documents);
  [[nodiscard]] https::Response answer(const https::Request& request);

 private:
  [[nodiscard]] bool may_ask(const https::Request& request) const;
  [[nodiscard]] https::Response attestation(std::string_view query);
  [[nodiscard]] https::Response forward(const https::Request& request, const std::string& path);

  Backend backend_;
  cryptography::Digest256 key_digest_, secret_digest_;
  Documents documents_;
};

// TLS for the gateway: a P-256 key and a certificate that it signs for itself. They exist in this process alone.
struct Identity {
  cryptography::PrivateKey key;
  std::string certificate_pem;
};
[[nodiscard]] Identity new_identity();
[[nodiscard]] https::ServerOptions server_options(const Identity& identity, int port);

}  // namespace inference
