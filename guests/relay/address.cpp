#include "guests/relay/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

namespace relay {
namespace {

constexpr std::uint32_t kParentCid = 3;
constexpr std::size_t kLongestName = 253;  // RFC 1035, section 2.3.4

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kLongestName && text.front() != '-' &&
         std::ranges::all_of(text, [](unsigned char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
         });
}

relay::OrReason<Address> vsock(std::string_view rest, Purpose purpose) {
  const std::size_t colon = rest.find(':');
  if (purpose == Purpose::kListen) {
    const auto port = number_of<std::uint32_t>(rest);
    if (!port) return relay::Reason("vsock:PORT is wanted to listen on");
    return VsockAddress{VMADDR_CID_ANY, *port};
  }
  if (colon == rest.npos) return relay::Reason("vsock:CID:PORT is wanted to connect to");
  const std::string_view cid = rest.substr(0, colon);
  const auto number = cid == "parent" ? kParentCid : cid == "host" ? VMADDR_CID_HOST : number_of<std::uint32_t>(cid);
  const auto port = number_of<std::uint32_t>(rest.substr(colon + 1));
  if (!number || !port) return relay::Reason("vsock:CID:PORT is wanted to connect to");
  return VsockAddress{*number, *port};
}

relay::OrReason<Address> tcp(std::string_view rest, Purpose purpose) {
  const std::size_t colon = rest.rfind(':');
  if (colon == rest.npos) return relay::Reason("tcp:HOST:PORT is wanted");
  std::string_view host = rest.substr(0, colon);
  const auto port = number_of<std::uint16_t>(rest.substr(colon + 1));
  if (!port || (*port == 0 && purpose == Purpose::kConnect)) return relay::Reason("the port is a number from 1 to 65535");
  in6_addr six{};
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (::inet_pton(AF_INET6, std::string(host).c_str(), &six) != 1) return relay::Reason("what stands in brackets is no IPv6 address");
  } else if (!is_name(host)) {
    return relay::Reason("the host is neither a name nor an address");
  }
  TcpAddress address{std::string(host), *port};
  if (purpose == Purpose::kListen && socket_address(address).size == 0) return relay::Reason("only an address can be listened on, no name");
  return address;
}

}  // namespace

relay::OrReason<Address> parse_address(std::string_view text, Purpose purpose) {
  if (text.starts_with("vsock:")) return vsock(text.substr(6), purpose);
  if (text.starts_with("tcp:")) return tcp(text.substr(4), purpose);
  if (text.starts_with("unix:")) {
    const std::string_view path = text.substr(5);
    if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path)) return relay::Reason("the path is empty or too long");
    return UnixAddress{std::string(path)};
  }
  return relay::Reason("vsock:, tcp: or unix: is wanted");
}

std::string to_text(const Address& address) {
  if (const auto* vsock = std::get_if<VsockAddress>(&address)) {
    return "vsock:" + (vsock->cid == VMADDR_CID_ANY ? "" : std::to_string(vsock->cid) + ":") + std::to_string(vsock->port);
  }
  if (const auto* tcp = std::get_if<TcpAddress>(&address)) {
    const bool six = tcp->host.find(':') != tcp->host.npos;
    return "tcp:" + (six ? "[" + tcp->host + "]" : tcp->host) + ":" + std::to_string(tcp->port);
  }
  return "unix:" + std::get<UnixAddress>(address).path;
}

SocketAddress socket_address(const Address& address) {
  SocketAddress result;
  const auto put = [&result](const auto& concrete) {
    std::memcpy(&result.storage, &concrete, sizeof concrete);
    result.size = sizeof concrete;
  };
  if (const auto* vsock = std::get_if<VsockAddress>(&address)) {
    sockaddr_vm vm{};
    vm.svm_family = AF_VSOCK;
    vm.svm_cid = vsock->cid;
    vm.svm_port = vsock->port;
    put(vm);
  } else if (const auto* tcp = std::get_if<TcpAddress>(&address)) {
    sockaddr_in four{};
    sockaddr_in6 six{};
    four.sin_family = AF_INET;
    six.sin6_family = AF_INET6;
    four.sin_port = six.sin6_port = htons(tcp->port);
    if (::inet_pton(AF_INET, tcp->host.c_str(), &four.sin_addr) == 1) put(four);
    else if (::inet_pton(AF_INET6, tcp->host.c_str(), &six.sin6_addr) == 1) put(six);
  } else {
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    std::get<UnixAddress>(address).path.copy(local.sun_path, sizeof local.sun_path - 1);
    put(local);
  }
  return result;
}

bool is_loopback(const TcpAddress& address) {
  const SocketAddress numbers = socket_address(address);
  if (numbers.size == 0) return false;
  if (numbers.storage.ss_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &numbers.storage, sizeof four);
    return ntohl(four.sin_addr.s_addr) >> 24 == 127;
  }
  sockaddr_in6 six{};
  std::memcpy(&six, &numbers.storage, sizeof six);
  return IN6_IS_ADDR_LOOPBACK(&six.sin6_addr);
}

}  // namespace relay
