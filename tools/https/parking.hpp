// Connections that have no request yet, and those whose TLS handshake waits for the peer: they hold no thread. One thread watches
// them all.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <string>
#include <unordered_map>

#include "tools/https/tls_context.hpp"

namespace https {

struct Peer {
  Peer(int socket, SSL_CTX* context) : connection(socket, context) {}
  Connection connection;
  bool greeted{false};  // the TLS handshake is over
  std::chrono::steady_clock::time_point greeted_by;  // or it has failed
  std::string client_name;
  std::size_t requests{0};
};

class Parking {
 public:
  // `woken` is called from the watching thread with a peer whose socket has what it was parked for.
  Parking(std::size_t places, std::function<void(std::shared_ptr<Peer>)> woken);
  ~Parking();  // closes all
  Parking(const Parking&) = delete;
  Parking& operator=(const Parking&) = delete;
  enum class For : std::uint8_t { kInput, kOutput };
  // When every place is taken, a peer is closed: of the address that has most places, the one that is there longest. So one address
  // that opens many connections closes its own.
  void park(std::shared_ptr<Peer> peer, For what, std::chrono::steady_clock::time_point until);

 private:
  struct Place {
    std::shared_ptr<Peer> peer;
    std::chrono::steady_clock::time_point until;
  };
  void watch();
  std::shared_ptr<Peer> take(int socket);
  void close_late();
  // All with the mutex held.
  std::shared_ptr<Peer> forget(std::list<Place>::iterator place);
  [[nodiscard]] std::list<Place>::iterator place_to_give_up();

  const std::size_t places_;
  const std::function<void(std::shared_ptr<Peer>)> woken_;
  int epoll_, stop_;  // stop_: an eventfd
  std::mutex mutex_;
  std::list<Place> parked_;  // the longest first
  std::unordered_map<int, std::list<Place>::iterator> by_socket_;
  std::unordered_map<std::string, std::size_t> by_address_;  // how many places each has
  std::thread thread_;
};

}  // namespace https
