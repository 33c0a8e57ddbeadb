#include "tools/xks/route.hpp"

namespace xks {

std::optional<Route> route_of(std::string_view uri_path, std::string_view target) {
  if (target.size() > kMostUri || !target.starts_with(uri_path)) return std::nullopt;
  std::string_view rest = target.substr(uri_path.size());
  if (rest == "/health") return Route{Call::kHealth, {}};
  if (!rest.starts_with("/keys/")) return std::nullopt;
  rest.remove_prefix(6);
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos || !is_key_id(rest.substr(0, slash))) return std::nullopt;
  for (const Call call : {Call::kMetadata, Call::kEncrypt, Call::kDecrypt}) {
    if (rest.substr(slash + 1) == text_of(call)) return Route{call, std::string(rest.substr(0, slash))};
  }
  return std::nullopt;
}

}  // namespace xks
