// What the service is, from the measured image, and what the untrusted parent adds when it starts. docs/inference-service.md is
// the contract of both files.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#include "guests/relay/address.hpp"
#include "tools/cofferdam/bytes.hpp"
#include "tools/sigv4/sigv4.hpp"

namespace inference {

using Context = std::map<std::string, std::string>;

// The file, the member, and what is wrong with it.
class BadConfiguration : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Owner : std::uint8_t { kWeights, kPrompts };
inline constexpr std::array kOwners{Owner::kWeights, Owner::kPrompts};
[[nodiscard]] constexpr std::string_view name_of(Owner owner) { return owner == Owner::kWeights ? "weights" : "prompts"; }

// A party's key service, as the image names it: the parent can't lead the request to another one.
struct KeyOwner {
  std::string host;
  int port{443};
  std::string region;
  std::string ca_pem;       // read from ca_file
  std::string key_arn;      // the ciphertext must be under this key
  Context context;          // and have been made with this encryption context
  std::uint32_t vsock_port{};  // of the parent, where a relay leads to the host
};

// /etc/cofferdam/service.json
struct Service {
  std::string model;             // what /v1/models calls it
  std::uint64_t most_bytes{};    // of the decrypted model
  unsigned threads{1}, context_tokens{2048}, parallel{1};
  std::uint32_t listen_port{443};              // vsock
  relay::Address parent;                       // the parent's store
  std::array<KeyOwner, 2> owners;
  [[nodiscard]] const KeyOwner& of(Owner owner) const { return owners[static_cast<std::size_t>(owner)]; }
};
// Those that llama-server answers, and a few that wait: what holds one back longer is better told so.
[[nodiscard]] constexpr std::size_t questions_at_once(const Service& service) { return service.parallel + 3; }
// `read` gives the content of a file that the text names (ca_file). Throws BadConfiguration. Unknown members are refused.
[[nodiscard]] Service parse_service(std::string_view text, const std::function<std::string(const std::string& path)>& read);

// launch.json, from the parent: any of it may be a lie; a wrong one ends in a refusal of a key service or of the artifact.
struct Launch {
  std::string artifact;                         // its name in the store
  std::array<sigv4::Credential, 2> credentials;  // by owner
  cofferdam::Bytes prompts_ciphertext;
  [[nodiscard]] const sigv4::Credential& credential(Owner owner) const { return credentials[static_cast<std::size_t>(owner)]; }
};
[[nodiscard]] Launch parse_launch(std::string_view text);

}  // namespace inference
