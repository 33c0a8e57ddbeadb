// Bytes as hexadecimal digits and back, for command lines and logs.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace nsm_wire {

[[nodiscard]] inline std::string hex(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) {
    char pair[3];
    std::snprintf(pair, sizeof pair, "%02x", static_cast<unsigned char>(byte));
    out += pair;
  }
  return out;
}

// Nothing: not pairs of digits, of either case, alone.
[[nodiscard]] inline std::optional<std::string> from_hex(std::string_view digits) {
  constexpr std::string_view kDigits = "0123456789abcdefABCDEF";
  std::string out;
  if (digits.size() % 2 != 0 || digits.find_first_not_of(kDigits) != digits.npos) return std::nullopt;
  for (std::size_t at = 0; at < digits.size(); at += 2) {
    out.push_back(static_cast<char>(std::strtoul(std::string(digits.substr(at, 2)).c_str(), nullptr, 16)));
  }
  return out;
}

}  // namespace nsm_wire
