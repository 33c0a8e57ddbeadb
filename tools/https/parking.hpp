// Connections that nobody has sent a request on: they hold no thread. One thread watches them all.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "tools/https/tls_context.hpp"

namespace https {

struct Peer {
  Peer(int socket, SSL_CTX* context) : connection(socket, context) {}
  Connection connection;
  bool greeted{false};  // the TLS handshake is over
  std::string client_name;
  std::size_t requests{0};
};

class Parking {
 public:
  // `woken` is called from the watching thread with a peer whose socket has something to read.
  Parking(std::size_t places, std::function<void(std::shared_ptr<Peer>)> woken);
  ~Parking();  // closes all
  Parking(const Parking&) = delete;
  Parking& operator=(const Parking&) = delete;
  // When every place is taken, the peer that is there longest is closed.
  void park(std::shared_ptr<Peer> peer, std::chrono::milliseconds limit);

 private:
  struct Place {
    std::shared_ptr<Peer> peer;
    std::chrono::steady_clock::time_point until;
  };
  void watch();
  std::shared_ptr<Peer> take(int socket);
  void close_late();

  const std::size_t places_;
  const std::function<void(std::shared_ptr<Peer>)> woken_;
  int epoll_, stop_;  // stop_: an eventfd
  std::mutex mutex_;
  std::list<Place> parked_;  // the longest first
  std::unordered_map<int, std::list<Place>::iterator> by_socket_;
  std::thread thread_;
};

}  // namespace https
