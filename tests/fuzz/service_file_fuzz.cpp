// service.json, and launch.json, which the parent writes: read whole and within their bounds, or refused by BadConfiguration. The first
// byte chooses the file.
#include <algorithm>

#include "guests/enclave/inference/configuration.hpp"
#include "tests/fuzz/demand.hpp"

namespace {

void demand_words(const sigv4::Credential& credential) {
  for (const std::string* word : {&credential.access_key_id, &credential.secret, &credential.session_token}) {
    DEMAND(std::ranges::all_of(*word, [](char c) { return c > ' ' && c < 0x7F; }));
  }
  DEMAND(!credential.access_key_id.empty() && !credential.secret.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    if (data[0] % 2 == 0) {
      const inference::Service service = inference::parse_service(text, [](const std::string& path) { return "-----BEGIN CERTIFICATE-----" + path; });
      DEMAND(service.most_bytes > 0 && service.threads > 0 && service.parallel > 0 && service.listen_port > 0);
      DEMAND(std::uint64_t{service.context_tokens} * service.parallel <= 1 << 24 && service.context_tokens > 0);
      DEMAND(relay::socket_address(service.parent).size > 0);
      for (const inference::KeyOwner& owner : service.owners) {
        DEMAND(!owner.host.empty() && !owner.key_arn.empty() && !owner.context.empty() && !owner.ca_pem.empty());
        DEMAND(owner.port > 0 && owner.port < 65536 && owner.vsock_port > 0);
      }
    } else {
      const inference::Launch launch = inference::parse_launch(text);
      DEMAND(!launch.artifact.empty() && launch.artifact.front() != '.' && launch.artifact.find_first_of("/\n\r \\") == std::string::npos);
      DEMAND(!launch.prompts_ciphertext.empty());
      for (const sigv4::Credential& credential : launch.credentials) demand_words(credential);
    }
  } catch (const inference::BadConfiguration&) {
  }
  return 0;
}
