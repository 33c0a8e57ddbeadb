// Which hosts a relay may connect to: a file in the form of AWS's vsock-proxy, so that theirs can be used as it is.
//
//   allowlist:
//   - {address: kms.eu-central-1.amazonaws.com, port: 443}
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "guests/relay/address.hpp"

namespace relay {

inline constexpr std::size_t kMostAllowed = 4096;

// The error names the line. Anything but comments, the heading and entries is one.
[[nodiscard]] std::expected<std::vector<TcpAddress>, std::string> parse_allow_list(std::string_view text);
// Names are compared without case, addresses as text: what isn't named is refused, also another spelling of the same host.
[[nodiscard]] bool is_allowed(const std::vector<TcpAddress>& list, const TcpAddress& address);

}  // namespace relay
