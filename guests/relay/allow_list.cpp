#include "guests/relay/allow_list.hpp"

#include <strings.h>

#include <algorithm>
#include <optional>

namespace relay {
namespace {

constexpr std::string_view kSpace = " \t\r";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string_view unquoted(std::string_view text) {
  text = trimmed(text);
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.front() == text.back()) return text.substr(1, text.size() - 2);
  return text;
}

// {address: X, port: N}, in either order, once each.
std::optional<TcpAddress> entry_of(std::string_view text) {
  if (!text.starts_with('-')) return std::nullopt;
  text = trimmed(text.substr(1));
  if (!text.starts_with('{') || !text.ends_with('}')) return std::nullopt;
  text = text.substr(1, text.size() - 2);
  const std::size_t comma = text.find(',');
  if (comma == text.npos) return std::nullopt;
  std::optional<std::string_view> address, port;
  for (const std::string_view part : {text.substr(0, comma), text.substr(comma + 1)}) {
    const std::size_t colon = part.find(':');
    if (colon == part.npos) return std::nullopt;
    const std::string_view name = trimmed(part.substr(0, colon));
    std::optional<std::string_view>& value = name == "address" ? address : port;
    if ((name != "address" && name != "port") || value) return std::nullopt;
    value = unquoted(part.substr(colon + 1));
  }
  const std::string host(*address);
  const auto parsed = parse_address("tcp:" + (host.find(':') == host.npos ? host : "[" + host + "]") + ":" + std::string(*port), Purpose::kConnect);
  if (!parsed) return std::nullopt;
  return std::get<TcpAddress>(*parsed);
}

}  // namespace

std::expected<std::vector<TcpAddress>, std::string> parse_allow_list(std::string_view text) {
  std::vector<TcpAddress> list;
  bool heading = false;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == text.npos ? std::string_view() : text.substr(end + 1);
    line = trimmed(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const auto wrong = [number](const char* what) { return std::unexpected("line " + std::to_string(number) + ": " + what); };
    if (!heading) {
      if (line != "allowlist:") return wrong("the list begins with \"allowlist:\"");
      heading = true;
      continue;
    }
    const auto entry = entry_of(line);
    if (!entry) return wrong("an entry is \"- {address: HOST, port: PORT}\"");
    if (list.size() == kMostAllowed) return wrong("more than 4096 entries");
    list.push_back(*entry);
  }
  if (!heading) return std::unexpected("there is no \"allowlist:\" in it");
  return list;
}

bool is_allowed(const std::vector<TcpAddress>& list, const TcpAddress& address) {
  return std::ranges::any_of(list, [&address](const TcpAddress& entry) {
    return entry.port == address.port && ::strcasecmp(entry.host.c_str(), address.host.c_str()) == 0;
  });
}

}  // namespace relay
