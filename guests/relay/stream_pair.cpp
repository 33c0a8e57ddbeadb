#include "guests/relay/stream_pair.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace relay {

StreamPair::StreamPair(Descriptor accepted, Descriptor connected) : sockets_{std::move(accepted), std::move(connected)} {}

StreamPair::Wish StreamPair::wish(Side side) const {
  const Way& out = ways_[index(side)];
  const Way& in = ways_[index(other(side))];
  return {.read = !out.read_ended && out.end < kBuffer, .write = in.begin < in.end};
}

bool StreamPair::move(Way& way, int from, int to) {
  if (way.ended) return true;
  if (!way.read_ended && way.end < kBuffer) {
    if (!way.buffer) way.buffer = std::make_unique<std::array<char, kBuffer>>();
    const ssize_t count = ::recv(from, way.buffer->data() + way.end, kBuffer - way.end, MSG_DONTWAIT);
    if (count > 0) way.end += static_cast<std::size_t>(count);
    else if (count == 0) way.read_ended = true;
    else if (errno != EAGAIN && errno != EINTR) return false;
  }
  if (way.begin < way.end) {
    const ssize_t count = ::send(to, way.buffer->data() + way.begin, way.end - way.begin, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    way.begin += static_cast<std::size_t>(count);
    moved_ += static_cast<std::uint64_t>(count);
    if (way.begin < way.end) return true;
    way.begin = way.end = 0;
    way.buffer.reset();  // an idle stream holds no buffer
  }
  if (way.read_ended) {
    way.ended = true;
    if (::shutdown(to, SHUT_WR) != 0) return errno == ENOTCONN && ways_[0].ended && ways_[1].ended;
  } else if (way.begin == way.end) {
    way.begin = way.end = 0;
    way.buffer.reset();
  }
  return true;
}

bool StreamPair::move() {
  const int accepted = descriptor(Side::kAccepted), connected = descriptor(Side::kConnected);
  return move(ways_[0], accepted, connected) && move(ways_[1], connected, accepted);
}

void StreamPair::break_off() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  for (const Descriptor& socket : sockets_) ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

}  // namespace relay
