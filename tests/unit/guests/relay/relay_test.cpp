#include "guests/relay/relay.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <thread>

#include "guests/relay/stream_pair.hpp"

namespace relay {
namespace {

using std::chrono::milliseconds;
constexpr int kPatience = 20'000;  // ms

const Address kAnyPort = TcpAddress{"127.0.0.1", 0};

struct Listener {
  Descriptor socket;
  Address address;
};

Listener listener(int backlog = 64) {
  Listener made{Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), {}};
  SocketAddress where = socket_address(kAnyPort);
  EXPECT_EQ(::bind(made.socket.get(), reinterpret_cast<sockaddr*>(&where.storage), where.size), 0);
  EXPECT_EQ(::listen(made.socket.get(), backlog), 0);
  EXPECT_EQ(::getsockname(made.socket.get(), reinterpret_cast<sockaddr*>(&where.storage), &where.size), 0);
  std::uint16_t port = 0;
  std::memcpy(&port, reinterpret_cast<char*>(&where.storage) + 2, 2);
  made.address = TcpAddress{"127.0.0.1", __builtin_bswap16(port)};
  return made;
}

Descriptor connected(const Address& address) {
  const SocketAddress where = socket_address(address);
  Descriptor socket(::socket(where.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&where.storage), where.size), 0);
  return socket;
}

bool readable(int socket, int time = kPatience) {
  pollfd poll{.fd = socket, .events = POLLIN, .revents = 0};
  return ::poll(&poll, 1, time) == 1;
}

Descriptor accepted(const Listener& from) {
  EXPECT_TRUE(readable(from.socket.get()));
  return Descriptor(::accept4(from.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

void send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ASSERT_GT(count, 0) << errno;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

// Until the end, or `size` bytes.
std::string receive(int socket, std::size_t size = ~std::size_t{0}) {
  std::string bytes, piece(65536, '\0');
  while (bytes.size() < size && readable(socket)) {
    const ssize_t count = ::recv(socket, piece.data(), std::min(piece.size(), size - bytes.size()), 0);
    if (count <= 0) return count == 0 ? bytes : bytes + "<broken>";
    bytes.append(piece, 0, static_cast<std::size_t>(count));
  }
  return bytes;
}

std::string pattern(std::size_t size, unsigned seed) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
  return bytes;
}

class Running {
 public:
  explicit Running(std::vector<Route> routes, Limits limits = {})
      : relay_(routes, limits, [this](const std::string& line) {
          const std::lock_guard lock(mutex_);
          said_ += line + '\n';
        }), thread_([this] { relay_.run(); }) {}
  ~Running() {
    relay_.stop();
    thread_.join();
  }
  Address at(std::size_t route = 0) const { return relay_.listening(route); }
  std::string said() {
    const std::lock_guard lock(mutex_);
    return said_;
  }
  bool comes_to(std::size_t streams) const {
    for (int tries = 0; tries < kPatience / 10; ++tries) {
      if (relay_.streams() == streams) return true;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
  }

 private:
  std::mutex mutex_;
  std::string said_;
  Relay relay_;
  std::thread thread_;
};

TEST(Relay, CarriesBothWaysAtOnceAndEveryByte) {
  const Listener target = listener();
  Running relay({{kAnyPort, target.address, {}}});
  const Descriptor client = connected(relay.at());
  const Descriptor server = accepted(target);
  const std::string there = pattern(5'000'000, 1), back = pattern(3'000'000, 2);
  std::thread first([&] { send_all(client.get(), there), ::shutdown(client.get(), SHUT_WR); });
  std::thread second([&] { send_all(server.get(), back), ::shutdown(server.get(), SHUT_WR); });
  std::string got_there;
  std::thread third([&] { got_there = receive(server.get()); });
  const std::string got_back = receive(client.get());
  first.join(), second.join(), third.join();
  EXPECT_TRUE(got_there == there);
  EXPECT_TRUE(got_back == back);
  EXPECT_TRUE(relay.comes_to(0));
}

TEST(Relay, AnEndOfOneWayLeavesTheOtherOpen) {
  const Listener target = listener();
  Running relay({{kAnyPort, target.address, {}}});
  const Descriptor client = connected(relay.at());
  const Descriptor server = accepted(target);
  send_all(client.get(), "question");
  ::shutdown(client.get(), SHUT_WR);
  EXPECT_EQ(receive(server.get()), "question");  // to its end
  send_all(server.get(), "answer");
  EXPECT_EQ(receive(client.get(), 6), "answer");
  send_all(server.get(), ", and more");
  ::shutdown(server.get(), SHUT_WR);
  EXPECT_EQ(receive(client.get()), ", and more");
  EXPECT_TRUE(relay.comes_to(0));
}

TEST(Relay, ABreakIsCarriedOverAsABreak) {
  const Listener target = listener();
  Running relay({{kAnyPort, target.address, {}}});
  const Descriptor client = connected(relay.at());
  Descriptor server = accepted(target);
  send_all(server.get(), "half");
  EXPECT_EQ(receive(client.get(), 4), "half");
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(server.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  server.reset();
  EXPECT_EQ(receive(client.get()), "<broken>");
  EXPECT_TRUE(relay.comes_to(0));
}

TEST(Relay, OneWhoNeverReadsHoldsUpNobodyElse) {
  const Listener target = listener();
  Running relay({{kAnyPort, target.address, {}}});
  const Descriptor slow = connected(relay.at());
  const Descriptor deaf = accepted(target);
  // Until nothing more goes in: the kernel's buffers and the relay's are full.
  const std::string piece(65536, 'x');
  for (int quiet = 0; quiet < 20;) {
    if (::send(slow.get(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) quiet = 0;
    else ++quiet, std::this_thread::sleep_for(milliseconds(5));
  }
  const Descriptor client = connected(relay.at());
  const Descriptor server = accepted(target);
  for (int round = 0; round < 200; ++round) {
    send_all(client.get(), "ping");
    ASSERT_EQ(receive(server.get(), 4), "ping");
    send_all(server.get(), "pong");
    ASSERT_EQ(receive(client.get(), 4), "pong");
  }
}

TEST(Relay, MoreThanItsStreamsWaitTheirTurnOnThatRouteOnly) {
  const Listener target = listener();
  Running relay({{kAnyPort, target.address, {}}, {kAnyPort, target.address, {}}}, {.most_streams = 2});
  Descriptor first = connected(relay.at()), second = connected(relay.at());
  Descriptor first_server = accepted(target), second_server = accepted(target);
  const Descriptor third = connected(relay.at());
  EXPECT_FALSE(readable(target.socket.get(), 200));
  const Descriptor elsewhere = connected(relay.at(1));
  const Descriptor elsewhere_server = accepted(target);
  first.reset(), first_server.reset();
  const Descriptor third_server = accepted(target);
  send_all(third.get(), "at last");
  EXPECT_EQ(receive(third_server.get(), 7), "at last");
}

TEST(Relay, ATargetThatRefusesEndsTheStreamAndIsNamed) {
  Listener target = listener();
  target.socket.reset();
  Running relay({{kAnyPort, target.address, {}}});
  const Descriptor client = connected(relay.at());
  EXPECT_NE(receive(client.get()), "x");
  EXPECT_TRUE(relay.comes_to(0));
  EXPECT_NE(relay.said().find("can't connect: Connection refused"), std::string::npos) << relay.said();
}

TEST(Relay, SilenceIsEndedAfterItsTime) {
  const Listener target = listener();
  Running relay({{kAnyPort, target.address, {}}}, {.idle_time = milliseconds(300)});
  const Descriptor client = connected(relay.at());
  const Descriptor server = accepted(target);
  EXPECT_EQ(receive(client.get()), "<broken>");
  EXPECT_TRUE(relay.comes_to(0));
}

TEST(Relay, WhoHasHadItsAnswerAndStaysIsLetGo) {
  const Listener target = listener();
  Running relay({{kAnyPort, target.address, {}}}, {.last_time = milliseconds(300)});
  const Descriptor client = connected(relay.at());
  Descriptor server = accepted(target);
  send_all(server.get(), "goodbye");
  server.reset();
  EXPECT_EQ(receive(client.get()), "goodbye");  // whole, with its end
  EXPECT_TRUE(relay.comes_to(0)) << "the client never ends";
}

TEST(Relay, AnAddressInUseIsNamed) {
  const Listener target = listener();
  EXPECT_THROW(
      {
        try {
          Relay relay({{target.address, target.address, {}}}, {}, [](const std::string&) {});
        } catch (const std::runtime_error& error) {
          EXPECT_NE(std::string(error.what()).find(to_text(target.address) + ": can't listen: Address already in use"), std::string::npos) << error.what();
          throw;
        }
      },
      std::runtime_error);
}

}  // namespace
}  // namespace relay
