// A request's line, headers and body as the wire may bring them, against the signature check. Nothing that isn't signed passes, and
// what was signed here passes.
#include "tools/sigv4/sigv4.hpp"

#include <algorithm>
#include <stdexcept>

#include "tests/fuzz/demand.hpp"

namespace {

// A signer's own headers are names; the check takes at most 50 of them and an Authorization of 4096 bytes.
bool is_plain(const https::Headers& headers) {
  std::size_t size = 0;
  for (const auto& [name, value] : headers) {
    size += name.size();
    if (!std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-'; })) return false;
  }
  return headers.size() < 40 && size < 3000;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto line = [&text] {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view result = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return result;
  };
  https::Request request;
  request.method = "POST";
  request.target = line();
  while (!text.empty()) {
    const std::string_view header = line();
    if (header.empty()) break;
    const std::size_t colon = std::min(header.find(':'), header.size());
    request.headers.emplace_back(header.substr(0, colon), header.substr(std::min(colon + 1, header.size())));
  }
  request.body = text;
  constexpr std::int64_t kTime = 1440938160;
  const sigv4::Check check{.service = "kms", .region = {}, .time = kTime, .most_skew_seconds = 300,
                           .secret_of = [](std::string_view) { return std::optional<std::string>("secret"); }};
  const sigv4::Verdict verdict = sigv4::verify(request, check);
  DEMAND(verdict.fault.has_value());  // the secret isn't in the corpus' reach
  if (!is_plain(request.headers)) return 0;
  try {
    sigv4::sign(request, {"AKIDEXAMPLE", "secret", {}}, {"r", "kms"}, kTime);
  } catch (const std::logic_error&) {  // no host, a target that isn't one, a header twice
    return 0;
  }
  const auto claimed = request.header("x-amz-content-sha256");
  if (!claimed) DEMAND(!sigv4::verify(request, check).fault);
  return 0;
}
