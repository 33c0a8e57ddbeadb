// An HTTP/1.1 server behind TLS 1.3, with everything bounded: threads, waiting connections, sizes of requests, times. A thread works for
// a peer only while there is something to do: not for an idle connection, not for a handshake that waits for the peer, and for a request
// that comes slowly or an answer that is read slowly only while nobody else needs the thread (slow_peers.hpp).
// It is cpp-httplib over OpenSSL; no other folder names their headers. The handler runs on many threads at once.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace https {

using Headers = std::vector<std::pair<std::string, std::string>>;  // names as they came; values of one name in their order

struct Request {
  std::string method;
  std::string target;  // path and query exactly as on the request line
  Headers headers;
  std::string body;
  std::string client_name;  // the common name of the client's certificate; empty: it showed none

  // The first value of a header (any case); nullopt: it isn't there.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
};

// Gives the next piece of a streamed answer to the client; false: the client is gone, stop.
using Sink = std::function<bool(std::string_view)>;

struct Response {
  int status{200};
  std::string content_type;
  Headers headers;
  std::string body;
  std::function<void(const Sink&)> stream;  // when set: chunked answer, `body` is not used
};

using Handler = std::function<Response(const Request&)>;

struct ServerOptions {
  std::string address{"127.0.0.1"};
  int port{0};                      // 0: any free one
  std::string certificate_pem;      // chain, leaf first; empty with key_pem: no TLS (loopback inside an enclave, tests)
  std::string key_pem;
  std::string client_ca_pem;        // not empty: every client must show a certificate of this authority (mTLS)
  std::string minimum_tls{"1.3"};   // or "1.2", which XKS allows
  std::size_t threads{8};
  std::size_t waiting{1024};        // connections that wait for a thread; one more is closed at once
  std::size_t largest_body{64 * 1024};
  std::chrono::seconds read_timeout{10};  // of the whole handshake, and of a whole request
  std::chrono::seconds write_timeout{30};  // of a whole answer; of each piece of a streamed one
  std::chrono::seconds keep_alive{5};  // how long a connection may be idle; it holds no thread
  std::size_t idle{512};            // connections that hold no thread; of more, one of the address that has most is closed
};

class Server {
 public:
  // Binds; throws std::runtime_error with the cause (address in use, certificate and key don't match).
  Server(ServerOptions options, Handler handler);
  ~Server();  // stops and waits
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  [[nodiscard]] int port() const;
  void run();   // until stop()
  void stop();  // from any thread; and from a signal handler through a self-pipe of the caller

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace https
