// One HTTP/1.1 exchange over TLS with a server that is believed for a stated reason: an authority's signature, or a judgement of
// the caller about its certificate. cpp-httplib over OpenSSL, as server.hpp. Thrown: HttpsError, with what failed.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "tools/cofferdam/bytes.hpp"
#include "tools/https/server.hpp"

namespace https {

class HttpsError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Somebody on the way, or a fault there: bytes of the TLS connection were changed or left out. What came before was the server's, but
// the exchange has no answer.
class ConnectionAltered : public HttpsError {
 public:
  using HttpsError::HttpsError;
};

struct ClientOptions {
  std::string host;               // the name that is asked for (SNI, Host) and that the certificate must have
  int port{443};
  std::string connect_to;         // not empty: the address to connect to instead of resolving `host`
  bool tls{true};
  std::string ca_pem;             // authorities that are believed; empty: those of the system, unless `judge` is set
  // When set, it alone decides: called with the leaf (DER) before a byte is sent. A refusal ends the connection.
  std::function<bool(cofferdam::ByteView leaf_der)> judge;
  std::string client_certificate_pem, client_key_pem;  // mTLS
  std::string minimum_tls{"1.3"};
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::milliseconds read_timeout{30000};  // of one read: a long stream may take longer in all
  std::chrono::milliseconds total_timeout{0};     // of a whole exchange, connecting included; 0: none
  std::size_t largest_body{1 << 20};
};

// A connection that is kept open between requests. Not for several threads at once.
class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  // `receive`, when set, gets the body piece by piece as it comes (false: stop); Response::body is then empty, and its status 0
  // when the receiver stopped it. `head`, when set, gets the answer without its body, before the first byte of it (false: as above).
  Response send(const Request& request, const Sink& receive = nullptr, const std::function<bool(const Response&)>& head = nullptr);
  // Ends the connection, and send() with an HttpsError if it waits for an answer. From any thread; what is sent later connects anew.
  void hang_up();
  // The leaf certificate (DER) of the connection that is open; empty without TLS or connection.
  [[nodiscard]] cofferdam::Bytes server_certificate() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace https
