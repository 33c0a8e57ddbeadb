#include "guests/relay/target.hpp"

#include <netdb.h>

#include <chrono>
#include <cstring>
#include <utility>

namespace relay {
namespace {

// A name's addresses are asked for again after this; sooner while there are none.
constexpr std::chrono::seconds kFresh{60}, kAgain{2};
constexpr std::size_t kMostAddresses = 16;

std::vector<SocketAddress> addresses_of(const TcpAddress& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
  addrinfo* first = nullptr;
  std::vector<SocketAddress> found;
  if (::getaddrinfo(name.host.c_str(), std::to_string(name.port).c_str(), &hints, &first) != 0) return found;
  for (const addrinfo* each = first; each != nullptr && found.size() < kMostAddresses; each = each->ai_next) {
    if (each->ai_addrlen > sizeof(sockaddr_storage)) continue;
    SocketAddress& address = found.emplace_back();
    std::memcpy(&address.storage, each->ai_addr, each->ai_addrlen);
    address.size = each->ai_addrlen;
  }
  ::freeaddrinfo(first);
  return found;
}

}  // namespace

Target::Target(Address address) : address_(std::move(address)) {
  const SocketAddress numbers = socket_address(address_);
  if (numbers.size > 0) found_.push_back(numbers);
  else thread_ = std::thread([this] { look_up(); });
}

Target::~Target() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

SocketAddress Target::current() {
  const std::lock_guard lock(mutex_);
  return found_.empty() ? SocketAddress{} : found_[turn_ % found_.size()];
}

void Target::rotate() {
  const std::lock_guard lock(mutex_);
  ++turn_;
}

void Target::look_up() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    lock.unlock();
    std::vector<SocketAddress> fresh = addresses_of(std::get<TcpAddress>(address_));
    lock.lock();
    if (!fresh.empty()) found_ = std::move(fresh);  // else the old ones stay: a name server may be away for a while
    wake_.wait_for(lock, found_.empty() ? kAgain : kFresh, [this] { return stop_; });
  }
}

}  // namespace relay
