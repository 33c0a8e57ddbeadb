#include "guests/parent/cli/boot_wait.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace enclave_cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
constexpr Milliseconds kStep{std::chrono::seconds(90)};

// The far end has closed. A command sends nothing after its request, so anything readable is its end.
bool has_gone(short events) { return (events & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) != 0; }

}  // namespace

Milliseconds boot_time_allowed(std::uint64_t eif_size, std::uint64_t memory_size) {
  const std::uint64_t image_steps = std::max<std::uint64_t>(1, (eif_size + 6 * kGiB - 1) / (6 * kGiB));
  return kStep * static_cast<std::int64_t>(image_steps + memory_size / (100 * kGiB));
}

BootResult wait_for_boot(SocketFamily& sockets, int listener, int enclave, std::uint64_t cid, int starter, int signals,
                         Milliseconds allowed) {
  const Clock::time_point deadline = Clock::now() + allowed;
  Descriptor connection;  // from the enclave; one at a time, a newer one takes its place
  for (;;) {
    const auto left = std::chrono::ceil<Milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return BootResult::kTimedOut;
    std::array<pollfd, 5> waiting{{{.fd = enclave, .events = 0, .revents = 0},  // POLLHUP comes unasked
                                   {.fd = listener, .events = POLLIN, .revents = 0},
                                   {.fd = connection.get(), .events = POLLIN, .revents = 0},
                                   {.fd = starter, .events = POLLIN, .revents = 0},
                                   {.fd = signals, .events = POLLIN, .revents = 0}}};
    const int ready = ::poll(waiting.data(), waiting.size(), static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (ready <= 0) continue;  // the time is looked at above
    // A heartbeat that came before the end counts first: the enclave did boot.
    if (waiting[2].revents != 0) {
      std::uint8_t byte = 0;
      const ssize_t count = ::recv(connection.get(), &byte, 1, 0);
      if (count == 1 && byte == kHeartbeat && ::send(connection.get(), &byte, 1, MSG_NOSIGNAL) == 1)
        return BootResult::kReady;
      connection.reset();
    }
    if ((waiting[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return BootResult::kEnded;
    if (has_gone(waiting[3].revents) || (waiting[4].revents & POLLIN) != 0) return BootResult::kAbandoned;
    if ((waiting[1].revents & POLLIN) != 0) {
      // All that wait, so that another partition's don't keep this one's out; as many as the backlog holds, for it may
      // make new ones all the time.
      for (int i = 0; i < SOMAXCONN; ++i) {
        std::uint32_t peer = 0;
        Descriptor incoming(sockets.accept(listener, peer));
        if (!incoming) break;
        if (peer == cid) connection = std::move(incoming);  // another partition's is closed
      }
    }
  }
}

}  // namespace enclave_cli
