// Which of the four calls a request's target names, and for which key ("URI path").
#pragma once

#include "tools/xks/requests.hpp"

namespace xks {

struct Route {
  Call call{};
  std::string key_id;  // is_key_id(); empty for kHealth, which is for no key
};

// `uri_path`: the proxy's own, is_uri_path(). `target` is hostile, and taken as it is: nothing in it is decoded. Nullopt: no URI of the API.
[[nodiscard]] std::optional<Route> route_of(std::string_view uri_path, std::string_view target);

}  // namespace xks
