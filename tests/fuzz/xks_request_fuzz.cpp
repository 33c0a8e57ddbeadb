// Bodies of the XKS proxy's calls: read whole and within the API's bounds, or refused by a name. The first byte chooses the call.
#include "tools/xks/requests.hpp"

#include <algorithm>

#include "tests/fuzz/demand.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr xks::Call kCalls[] = {xks::Call::kMetadata, xks::Call::kEncrypt, xks::Call::kDecrypt, xks::Call::kHealth};
  const xks::Call call = kCalls[data[0] % 4];
  try {
    const xks::ParsedRequest request = xks::parse_request(call, {reinterpret_cast<const char*>(data) + 1, size - 1});
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
