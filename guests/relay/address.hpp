// The ends that streams are carried between, as text and as the kernel's addresses.
//
//   vsock:CID:PORT        to connect to; CID is a number, "parent" (3 in a Nitro-style enclave) or "host" (2)
//   vsock:PORT            to listen on, for any CID
//   tcp:HOST:PORT         HOST is a name, an IPv4 address, or an IPv6 address in brackets
//   unix:PATH
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "guests/relay/or_reason.hpp"

namespace relay {

struct VsockAddress {
  std::uint32_t cid;  // VMADDR_CID_ANY where it is listened on
  std::uint32_t port;
  friend bool operator==(const VsockAddress&, const VsockAddress&) = default;
};
struct TcpAddress {
  std::string host;
  std::uint16_t port;
  friend bool operator==(const TcpAddress&, const TcpAddress&) = default;
};
struct UnixAddress {
  std::string path;
  friend bool operator==(const UnixAddress&, const UnixAddress&) = default;
};
using Address = std::variant<VsockAddress, TcpAddress, UnixAddress>;

enum class Purpose : std::uint8_t { kListen, kConnect };
// The error says what is wrong with the text.
[[nodiscard]] relay::OrReason<Address> parse_address(std::string_view text, Purpose purpose);
[[nodiscard]] std::string to_text(const Address& address);

// Numbers alone, no name is looked up. `size` 0: the address is a name.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size{};
};
[[nodiscard]] SocketAddress socket_address(const Address& address);
// 127.0.0.0/8 and ::1, as numbers.
[[nodiscard]] bool is_loopback(const TcpAddress& address);

}  // namespace relay
