#include "tools/https/parking.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <stdexcept>

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

void Parking::park(std::shared_ptr<Peer> peer, std::chrono::milliseconds limit) {
  const int socket = peer->connection.socket();
  std::shared_ptr<Peer> evicted;  // closed when the lock is gone
  const std::lock_guard lock(mutex_);
  if (parked_.size() >= places_ && !parked_.empty()) {
    evicted = std::move(parked_.front().peer);
    by_socket_.erase(evicted->connection.socket());
    epoll_ctl(epoll_, EPOLL_CTL_DEL, evicted->connection.socket(), nullptr);
    parked_.pop_front();
  }
  parked_.push_back({std::move(peer), Clock::now() + limit});
  by_socket_[socket] = std::prev(parked_.end());
  epoll_event event{.events = EPOLLIN | EPOLLRDHUP, .data = {.fd = socket}};
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) != 0) {
    by_socket_.erase(socket);
    parked_.pop_back();
  }
}

std::shared_ptr<Peer> Parking::take(int socket) {
  const std::lock_guard lock(mutex_);
  const auto found = by_socket_.find(socket);
  if (found == by_socket_.end()) return nullptr;  // evicted meanwhile
  std::shared_ptr<Peer> peer = std::move(found->second->peer);
  parked_.erase(found->second);
  by_socket_.erase(found);
  epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);
  return peer;
}

void Parking::close_late() {
  std::list<Place> late;
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  for (auto place = parked_.begin(); place != parked_.end();) {
    const auto next = std::next(place);
    if (place->until <= now) {
      const int socket = place->peer->connection.socket();
      by_socket_.erase(socket);
      epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);
      late.splice(late.end(), parked_, place);
    }
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
