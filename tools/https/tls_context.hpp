// OpenSSL's contexts and connections, for the files of this folder only.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "tools/https/server.hpp"

namespace https {

struct FreeTls {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* session) const { SSL_free(session); }
};
using TlsContext = std::unique_ptr<SSL_CTX, FreeTls>;
using TlsSession = std::unique_ptr<SSL, FreeTls>;

// "1.2" or "1.3"; throws std::runtime_error on anything else.
[[nodiscard]] int tls_version(const std::string& minimum);
// Throws std::runtime_error: a certificate, key or authority that can't be read, or that don't belong together.
[[nodiscard]] TlsContext server_context(const ServerOptions& options);
// OpenSSL's newest reason; its queue is empty afterwards.
[[nodiscard]] std::string tls_reason();
// The common name of the peer's certificate; empty: none was shown.
[[nodiscard]] std::string peer_common_name(SSL* session);

enum class Greeting : std::uint8_t { kDone, kNeedsInput, kNeedsOutput, kBroken };

// A non-blocking socket, with TLS or without. Each call ends by the deadline that is set.
class Connection {
 public:
  Connection(int socket, SSL_CTX* context);  // owns the socket; without a context no TLS
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  // Goes on with the TLS handshake as far as it can without waiting.
  [[nodiscard]] Greeting greet();
  // Asked before it waits for the peer: how long it may wait before it asks again; zero: no longer, it has failed.
  using Patience = std::function<std::chrono::milliseconds()>;
  // Bytes, 0 at the end, -1: broken or late.
  [[nodiscard]] long read(char* to, std::size_t size, std::chrono::steady_clock::time_point deadline, const Patience& patience);
  [[nodiscard]] long write(const char* from, std::size_t size, std::chrono::steady_clock::time_point deadline, const Patience& patience);
  // Bytes that were written and that the peer's machine hasn't taken yet.
  [[nodiscard]] std::size_t untaken() const;
  // Bytes that were read and not asked for yet.
  [[nodiscard]] bool has_buffered() const;
  // What counts as one peer: the IPv4 address, of IPv6 the network of 64 bits; empty: not known.
  [[nodiscard]] const std::string& address() const { return address_; }
  // Waits for the next request's first byte; zero only looks.
  [[nodiscard]] bool has_input(std::chrono::milliseconds limit);
  [[nodiscard]] bool peer_is_there() const;
  [[nodiscard]] int socket() const { return socket_; }
  [[nodiscard]] SSL* session() const { return session_.get(); }

 private:
  [[nodiscard]] bool wait(short events, std::chrono::steady_clock::time_point deadline, const Patience& patience) const;
  [[nodiscard]] bool wait_for_tls(int result, std::chrono::steady_clock::time_point deadline, const Patience& patience) const;

  int socket_;
  std::string address_;
  TlsSession session_;
  bool established_{false};
  char buffer_[4096];  // httplib reads single bytes
  std::size_t begin_{0}, end_{0};
};

}  // namespace https
