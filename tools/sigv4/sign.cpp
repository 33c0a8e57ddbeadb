#include <algorithm>
#include <stdexcept>

#include "tools/sigv4/canonical.hpp"
#include "tools/sigv4/sigv4.hpp"

namespace sigv4 {

void sign(https::Request& request, const Credential& credential, const Scope& scope, std::int64_t time) {
  std::erase_if(request.headers, [](const auto& header) {
    const std::string name = lower(header.first);
    return name == "authorization" || name == "x-amz-date" || name == "x-amz-security-token";
  });
  const std::string date_time = date_time_of(time);
  request.headers.emplace_back("x-amz-date", date_time);
  if (!credential.session_token.empty()) request.headers.emplace_back("x-amz-security-token", credential.session_token);
  std::vector<std::string> names;
  for (const auto& [key, value] : request.headers) {
    const std::string name = lower(key);
    // What a proxy or the HTTP library may change isn't signed.
    if (name == "host" || name == "content-type" || name.starts_with("x-amz-")) names.push_back(name);
  }
  std::ranges::sort(names);
  if (std::ranges::find(names, "host") == names.end()) throw std::logic_error("a request without a host header can't be signed");
  const auto canonical = canonical_request(request, names);
  if (!canonical) throw std::logic_error("a request with such a target, or with a header twice, can't be signed");
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ";") + name;
  const std::string value = signature({.secret = credential.secret, .date_time = date_time, .region = scope.region,
                                       .service = scope.service, .canonical_request = *canonical});
  request.headers.emplace_back("authorization", std::string(kAlgorithm) + " Credential=" + credential.access_key_id + "/" +
                                                    date_time.substr(0, 8) + "/" + scope.region + "/" + scope.service + "/" +
                                                    std::string(kTerminator) + ", SignedHeaders=" + joined + ", Signature=" + value);
}

}  // namespace sigv4
