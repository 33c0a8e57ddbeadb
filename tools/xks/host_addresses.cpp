#include "tools/xks/host_addresses.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

namespace xks {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kKept{60};
constexpr std::size_t kMostAddresses = 4;
constexpr int kMostThreads = 32;  // of all hosts: a name server that hangs holds these, not one for each call
std::atomic<int> threads{0};

std::vector<std::string> resolve_by_system(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  std::vector<std::string> addresses;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof(text), nullptr, 0, NI_NUMERICHOST) == 0) addresses.emplace_back(text);
  }
  freeaddrinfo(found);
  return addresses;
}

}  // namespace

struct HostAddresses::State {
  std::string host;
  Resolve resolve;
  std::mutex mutex;
  std::condition_variable changed;
  bool resolving{false};
  std::optional<Clock::time_point> known_since;
  std::vector<std::string> addresses;
};

HostAddresses::HostAddresses(std::string host, Resolve resolve) : state_(std::make_shared<State>()) {
  state_->host = std::move(host);
  state_->resolve = resolve ? std::move(resolve) : Resolve(resolve_by_system);
}

std::optional<std::vector<std::string>> HostAddresses::within(std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  std::unique_lock lock(state_->mutex);
  const auto known = [this] { return state_->known_since && Clock::now() - *state_->known_since < kKept; };
  if (!known() && !state_->resolving) {
    if (threads.fetch_add(1) >= kMostThreads) {
      --threads;
      return std::nullopt;
    }
    try {
      std::thread([state = state_] {
        std::vector<std::string> found = state->resolve(state->host);
        if (found.size() > kMostAddresses) found.resize(kMostAddresses);
        {
          const std::lock_guard held(state->mutex);
          state->addresses = std::move(found);
          state->known_since = Clock::now();
          state->resolving = false;
        }
        state->changed.notify_all();
        --threads;
      }).detach();
    } catch (const std::system_error&) {
      --threads;
      return std::nullopt;
    }
    state_->resolving = true;
  }
  // Who has found nothing doesn't keep it: the next call asks again.
  if (!state_->changed.wait_until(lock, deadline, [&] { return known() || !state_->resolving; })) return std::nullopt;
  if (state_->addresses.empty()) state_->known_since.reset();
  return state_->addresses;
}

void HostAddresses::prefer(const std::string& address) {
  const std::lock_guard lock(state_->mutex);
  const auto found = std::ranges::find(state_->addresses, address);
  if (found != state_->addresses.end()) std::rotate(state_->addresses.begin(), found, found + 1);
}

void HostAddresses::doubt() {
  const std::lock_guard lock(state_->mutex);
  state_->known_since.reset();
}

}  // namespace xks
