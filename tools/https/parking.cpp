#include "tools/https/parking.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace https {

using Clock = std::chrono::steady_clock;

Parking::Parking(std::size_t places, std::function<void(std::shared_ptr<Peer>)> woken)
    : places_(places), woken_(std::move(woken)), epoll_(epoll_create1(EPOLL_CLOEXEC)), stop_(eventfd(0, EFD_CLOEXEC)) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = stop_}};
  if (epoll_ < 0 || stop_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, stop_, &event) != 0) {
    throw std::runtime_error("connections can't be watched: no file descriptor is free");
  }
  thread_ = std::thread([this] { watch(); });
}

Parking::~Parking() {
  eventfd_write(stop_, 1);
  thread_.join();
  close(stop_);
  close(epoll_);
}

void Parking::park(std::shared_ptr<Peer> peer, For what, Clock::time_point until) {
  const int socket = peer->connection.socket();
  std::shared_ptr<Peer> evicted;  // closed when the lock is gone
  const std::lock_guard lock(mutex_);
  if (parked_.size() >= places_ && !parked_.empty()) evicted = forget(place_to_give_up());
  ++by_address_[peer->connection.address()];
  parked_.push_back({std::move(peer), until});
  by_socket_[socket] = std::prev(parked_.end());
  const std::uint32_t waited = what == For::kInput ? EPOLLIN | EPOLLRDHUP : EPOLLOUT;
  epoll_event event{.events = waited, .data = {.fd = socket}};
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) != 0) evicted = forget(std::prev(parked_.end()));
}

std::shared_ptr<Peer> Parking::forget(std::list<Place>::iterator place) {
  std::shared_ptr<Peer> peer = std::move(place->peer);
  parked_.erase(place);
  by_socket_.erase(peer->connection.socket());
  const auto counted = by_address_.find(peer->connection.address());
  if (--counted->second == 0) by_address_.erase(counted);
  epoll_ctl(epoll_, EPOLL_CTL_DEL, peer->connection.socket(), nullptr);
  return peer;
}

std::list<Parking::Place>::iterator Parking::place_to_give_up() {
  const auto most = std::ranges::max_element(by_address_, {}, [](const auto& counted) { return counted.second; });
  return std::ranges::find_if(parked_, [&](const Place& place) { return place.peer->connection.address() == most->first; });
}

std::shared_ptr<Peer> Parking::take(int socket) {
  const std::lock_guard lock(mutex_);
  const auto found = by_socket_.find(socket);
  return found == by_socket_.end() ? nullptr : forget(found->second);  // nullptr: evicted meanwhile
}

void Parking::close_late() {
  std::vector<std::shared_ptr<Peer>> late;  // closed when the lock is gone
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  for (auto place = parked_.begin(); place != parked_.end();) {
    const auto next = std::next(place);
    if (place->until <= now) late.push_back(forget(place));
    place = next;
  }
}

void Parking::watch() {
  constexpr int kMost = 64, kSliceMilliseconds = 250;
  epoll_event events[kMost];
  auto next_look = Clock::now();
  while (true) {
    const int count = epoll_wait(epoll_, events, kMost, kSliceMilliseconds);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == stop_) return;
      if (std::shared_ptr<Peer> peer = take(events[i].data.fd)) woken_(std::move(peer));
    }
    if (Clock::now() >= next_look) {
      close_late();
      next_look = Clock::now() + std::chrono::milliseconds(kSliceMilliseconds);
    }
  }
}

}  // namespace https
