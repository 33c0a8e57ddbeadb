#include "guests/relay/relay.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>
#include <stdexcept>
#include <unordered_map>

#include "guests/relay/stream_pair.hpp"
#include "guests/relay/target.hpp"

namespace relay {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kBacklog = 128;
constexpr std::chrono::milliseconds kSweep{500};  // how often times that are over are looked for
constexpr unsigned kLinesInSecond = 5;
// What epoll hands back: a stream's number and side, a listener, or the call to stop.
constexpr std::uint64_t kListener = std::uint64_t{1} << 63, kStop = ~std::uint64_t{0};

std::runtime_error failure(const Address& address, const char* what) {
  return std::runtime_error(to_text(address) + ": " + what + ": " + std::strerror(errno));
}

Descriptor listen_on(const Address& address) {
  const SocketAddress where = socket_address(address);
  Descriptor socket(::socket(where.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.get() < 0) throw failure(address, "no socket");
  const int yes = 1;
  if (std::holds_alternative<TcpAddress>(address)) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&where.storage), where.size) != 0 || ::listen(socket.get(), kBacklog) != 0) {
    throw failure(address, "can't listen");
  }
  return socket;
}

// Small pieces go out at once: a token of an answer must not wait for the next one.
void no_delay(int socket, int family) {
  const int yes = 1;
  if (family == AF_INET || family == AF_INET6) ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

}  // namespace

struct Relay::State {
  struct Listener {
    Route route;
    Descriptor socket;
    std::unique_ptr<Target> target;
    std::size_t streams{};
    bool polled{};
  };
  struct Stream {
    Stream(std::size_t listener_index, Descriptor accepted, Descriptor connected, Clock::time_point time)
        : listener(listener_index), pair(std::move(accepted), std::move(connected)), since(time) {}
    std::size_t listener;
    StreamPair pair;
    Clock::time_point since;  // of the connect, later of the last byte
    bool connecting{true};
    std::optional<Clock::time_point> answered;  // the target has ended, and all that it said is passed on
    std::array<std::uint32_t, 2> polled{};  // events asked for; 0: not in the epoll set
  };

  Limits limits;
  std::function<void(const std::string&)> say;
  Descriptor epoll{::epoll_create1(EPOLL_CLOEXEC)};
  Descriptor stop{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::vector<Listener> listeners;
  std::unordered_map<std::uint64_t, Stream> streams;
  std::uint64_t next_stream{1};
  std::atomic<std::size_t> count{};
  Clock::time_point said_since{};
  unsigned said{};

  void tell(const Listener& listener, const char* what, int error) {
    const Clock::time_point now = Clock::now();
    if (now - said_since > std::chrono::seconds(1)) said_since = now, said = 0;
    if (++said > kLinesInSecond) return;
    say(to_text(listener.route.listen) + " -> " + to_text(listener.route.connect) + ": " + what + (error != 0 ? std::string(": ") + std::strerror(error) : ""));
  }

  void poll_listener(std::size_t index) {
    Listener& listener = listeners[index];
    const bool wanted = listener.streams < limits.most_streams;
    if (wanted == listener.polled) return;
    epoll_event event{.events = EPOLLIN, .data = {.u64 = kListener | index}};
    ::epoll_ctl(epoll.get(), wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, listener.socket.get(), &event);
    listener.polled = wanted;
  }

  void poll_side(std::uint64_t number, Stream& stream, Side side, std::uint32_t events) {
    std::uint32_t& polled = stream.polled[static_cast<std::size_t>(side)];
    if (events == polled) return;
    epoll_event event{.events = events, .data = {.u64 = number << 1 | static_cast<std::uint64_t>(side)}};
    const int verb = events == 0 ? EPOLL_CTL_DEL : polled == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    ::epoll_ctl(epoll.get(), verb, stream.pair.descriptor(side), &event);
    polled = events;
  }

  void poll_both(std::uint64_t number, Stream& stream) {
    for (const Side side : {Side::kAccepted, Side::kConnected}) {
      const StreamPair::Wish wish = stream.pair.wish(side);
      poll_side(number, stream, side, (wish.read ? EPOLLIN : 0U) | (wish.write ? EPOLLOUT : 0U));
    }
  }

  void drop(std::uint64_t number, bool broken) {
    const auto at = streams.find(number);
    const std::size_t listener = at->second.listener;
    if (broken) at->second.pair.break_off();
    streams.erase(at);  // closing takes them out of the epoll set
    count.store(streams.size());
    --listeners[listener].streams;
    poll_listener(listener);
  }

  void accept_one(std::size_t index) {
    Listener& listener = listeners[index];
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    Descriptor accepted(::accept4(listener.socket.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (accepted.get() < 0) {
      // Out of descriptors: the listener stays readable, and waiting a moment is better than asking without end.
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        tell(listener, "can't accept", errno);
        ::usleep(10'000);
      }
      return;
    }
    if (listener.route.from_cid && peer.ss_family == AF_VSOCK) {
      sockaddr_vm vm{};
      std::memcpy(&vm, &peer, sizeof vm);
      if (vm.svm_cid != *listener.route.from_cid) return tell(listener, "refused: another partition's", 0);
    }
    const SocketAddress where = listener.target->current();
    if (where.size == 0) return tell(listener, "the name has no address yet", 0);
    Descriptor connected(::socket(where.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (connected.get() < 0) return tell(listener, "no socket", errno);
    no_delay(accepted.get(), peer.ss_family);
    no_delay(connected.get(), where.storage.ss_family);
    const int result = ::connect(connected.get(), reinterpret_cast<const sockaddr*>(&where.storage), where.size);
    if (result != 0 && errno != EINPROGRESS && errno != EAGAIN) {
      const int error = errno;
      listener.target->rotate();
      return tell(listener, "can't connect", error);
    }
    const std::uint64_t number = next_stream++;
    Stream& stream = streams.try_emplace(number, index, std::move(accepted), std::move(connected), Clock::now()).first->second;
    count.store(streams.size());
    ++listener.streams;
    poll_listener(index);
    poll_side(number, stream, Side::kConnected, EPOLLOUT);
  }

  // False: it could not be connected.
  bool connected(Stream& stream) {
    int error = 0;
    socklen_t size = sizeof error;
    Listener& listener = listeners[stream.listener];
    if (::getsockopt(stream.pair.descriptor(Side::kConnected), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    if (error != 0) {
      listener.target->rotate();
      tell(listener, "can't connect", error);
      return false;
    }
    stream.connecting = false;
    return true;
  }

  void serve(std::uint64_t number) {
    const auto at = streams.find(number);
    if (at == streams.end()) return;  // it ended with an earlier event of the same round
    Stream& stream = at->second;
    if (stream.connecting && !connected(stream)) return drop(number, true);
    const std::uint64_t before = stream.pair.moved();
    if (!stream.pair.move()) return drop(number, true);
    if (stream.pair.done()) return drop(number, false);
    if (stream.pair.moved() != before) stream.since = Clock::now();
    if (!stream.answered && stream.pair.ended(Side::kConnected)) stream.answered = Clock::now();
    poll_both(number, stream);
  }

  void sweep() {
    const Clock::time_point now = Clock::now();
    std::vector<std::uint64_t> over;
    for (const auto& [number, stream] : streams) {
      const bool held_open = stream.answered && now - std::max(*stream.answered, stream.since) > limits.last_time;
      if (held_open || now - stream.since > (stream.connecting ? limits.connect_time : limits.idle_time)) over.push_back(number);
    }
    for (const std::uint64_t number : over) {
      const Stream& stream = streams.at(number);
      if (stream.answered) {  // what the kernel still holds of the answer may arrive
        drop(number, false);
        continue;
      }
      if (stream.connecting) listeners[stream.listener].target->rotate();
      tell(listeners[stream.listener], stream.connecting ? "can't connect in time" : "nothing was said for too long", 0);
      drop(number, true);
    }
  }
};

Relay::Relay(const std::vector<Route>& routes, Limits limits, std::function<void(const std::string&)> say) : state_(std::make_unique<State>()) {
  state_->limits = limits;
  state_->say = std::move(say);
  for (const Route& route : routes) {
    state_->listeners.push_back({route, listen_on(route.listen), std::make_unique<Target>(route.connect)});
  }
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kStop}};
  ::epoll_ctl(state_->epoll.get(), EPOLL_CTL_ADD, state_->stop.get(), &event);
  for (std::size_t index = 0; index < routes.size(); ++index) state_->poll_listener(index);
}

Relay::~Relay() = default;

Address Relay::listening(std::size_t route) const {
  const State::Listener& listener = state_->listeners.at(route);
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  ::getsockname(listener.socket.get(), reinterpret_cast<sockaddr*>(&storage), &size);
  Address address = listener.route.listen;
  if (auto* tcp = std::get_if<TcpAddress>(&address)) {
    // The port has the same place in both families' addresses.
    sockaddr_in four{};
    std::memcpy(&four, &storage, sizeof four);
    tcp->port = ntohs(four.sin_port);
  }
  return address;
}

std::size_t Relay::streams() const { return state_->count.load(); }

void Relay::stop() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t told = ::write(state_->stop.get(), &one, sizeof one);
}

void Relay::run() {
  std::array<epoll_event, 64> events;
  Clock::time_point swept = Clock::now();
  for (;;) {
    const int count = ::epoll_wait(state_->epoll.get(), events.data(), events.size(), static_cast<int>(kSweep.count()));
    if (count < 0 && errno != EINTR) throw std::runtime_error(std::string("waiting: ") + std::strerror(errno));
    for (int index = 0; index < count; ++index) {
      const std::uint64_t what = events[static_cast<std::size_t>(index)].data.u64;
      if (what == kStop) return;
      if ((what & kListener) != 0) state_->accept_one(static_cast<std::size_t>(what & ~kListener));
      else state_->serve(what >> 1);
    }
    if (Clock::now() - swept >= kSweep) {
      state_->sweep();
      swept = Clock::now();
    }
  }
}

}  // namespace relay
