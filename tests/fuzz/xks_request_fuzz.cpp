// Bodies of the XKS proxy's calls: read whole and within the API's bounds, or refused by a name. The first byte chooses the call, or
// that the rest is a request's target: it names one call and one key, or none.

#include <algorithm>

#include "tests/fuzz/demand.hpp"
#include "tools/xks/route.hpp"

namespace {

void check_target(std::string_view target) {
  constexpr std::string_view kPath = "/fuzz/kms/xks/v1";
  const auto route = xks::route_of(kPath, target);
  if (!route) return;
  DEMAND(target.size() <= xks::kMostUri);
  const bool health = route->call == xks::Call::kHealth;
  DEMAND(health ? route->key_id.empty() : xks::is_key_id(route->key_id));
  // What it was taken for is all that it says.
  const std::string again = health ? "/health" : "/keys/" + route->key_id + "/" + std::string(xks::text_of(route->call));
  DEMAND(target == std::string(kPath) + again);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr xks::Call kCalls[] = {xks::Call::kMetadata, xks::Call::kEncrypt, xks::Call::kDecrypt, xks::Call::kHealth};
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 5 == 4) return check_target(rest), 0;
  const xks::Call call = kCalls[data[0] % 5];
  try {
    const xks::ParsedRequest request = xks::parse_request(call, rest);
    DEMAND(!request.metadata.operation.empty() && !request.metadata.request_id.empty());
    DEMAND(call == xks::Call::kHealth || !request.metadata.principal_arn.empty());
    DEMAND(request.associated.size() <= xks::kMostAssociated && request.plaintext.size() <= xks::kMostPlaintext);
    if (call == xks::Call::kEncrypt) DEMAND(!request.plaintext.empty());
    if (call == xks::Call::kDecrypt) {
      DEMAND(!request.encrypted.ciphertext.empty() && request.encrypted.tag.size() == xks::kTag);
      DEMAND(request.encrypted.iv.size() == 12 || request.encrypted.iv.size() == 16);
      DEMAND(request.encrypted.metadata.size() <= xks::kMostMetadata);
    }
  } catch (const xks::Refusal& refusal) {
    DEMAND(refusal.message.size() <= xks::kMostErrorMessage);
    DEMAND(std::ranges::all_of(refusal.message, [](char c) { return c >= ' ' && c <= '~'; }));
  }
  return 0;
}
