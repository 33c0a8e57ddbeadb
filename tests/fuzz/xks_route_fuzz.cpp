// Targets of requests to the XKS proxy: each names one call and one key, letter for letter, or none. The first byte chooses whether the
// proxy's own path is put before the rest.
#include "tools/xks/route.hpp"

#include "tests/fuzz/demand.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string path = "/fuzz/kms/xks/v1";
  const std::string target = (data[0] % 2 == 1 ? path : "") + std::string(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto route = xks::route_of(path, target);
  if (!route) return 0;
  DEMAND(target.size() <= xks::kMostUri);
  const bool health = route->call == xks::Call::kHealth;
  DEMAND(health ? route->key_id.empty() : xks::is_key_id(route->key_id));
  // What it was taken for is all that it says.
  DEMAND(target == path + (health ? "/health" : "/keys/" + route->key_id + "/" + std::string(xks::text_of(route->call))));
  return 0;
}
