// Carries streams between sockets: what connects to a route's listener is connected to the route's target, and to nothing else.
// One thread, epoll; every number has a bound, and a route's bounds are its own, so that one that is full stops no other.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "guests/relay/address.hpp"

namespace relay {

struct Route {
  Address listen;
  Address connect;
  std::optional<std::uint32_t> from_cid;  // vsock listeners: only this partition is served; nullopt: each
};

struct Limits {
  std::size_t most_streams{256};  // of a route; further ones wait to be accepted
  std::chrono::milliseconds connect_time{10'000};
  std::chrono::milliseconds idle_time{600'000};  // without a byte in either direction
  std::chrono::milliseconds last_time{10'000};   // the same, once the target has ended and all that it said is passed on: who connected has nothing to wait for
};

class Relay {
 public:
  // Listens on every route. `say` gets a line for a stream that could not be carried, a few a second at most; never a byte of
  // one. Throws std::runtime_error with the address and the cause.
  Relay(const std::vector<Route>& routes, Limits limits, std::function<void(const std::string&)> say);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  // Where the route listens, with the port that the kernel chose for 0.
  [[nodiscard]] Address listening(std::size_t route) const;
  void run();   // until stop()
  void stop();  // from any thread
  [[nodiscard]] std::size_t streams() const;  // that are carried now

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace relay
