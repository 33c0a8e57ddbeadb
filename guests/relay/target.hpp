// Where a route leads: numbers at once, a name looked up by a thread of its own, so that a slow name server stops nothing.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "guests/relay/address.hpp"

namespace relay {

class Target {
 public:
  explicit Target(Address address);
  ~Target();
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;
  [[nodiscard]] const Address& address() const { return address_; }
  // The address to try now; size 0: the name has none yet.
  [[nodiscard]] SocketAddress current();
  // The address was of no use: the next one's turn.
  void rotate();

 private:
  void look_up();

  const Address address_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<SocketAddress> found_;
  std::size_t turn_{};
  bool stop_{};
  std::thread thread_;  // runs only for a name
};

}  // namespace relay
