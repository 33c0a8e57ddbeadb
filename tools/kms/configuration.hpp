// What `cofferdam-kms serve` reads: one JSON file; relative paths in it are relative to its folder. docs/key-service.md has a table.
#pragma once

#include <string>
#include <vector>

#include "tools/cofferdam/chain.hpp"
#include "tools/kms/arns.hpp"

namespace kms {

struct Configuration {
  std::string address{"127.0.0.1"};
  int port{8443};
  std::size_t threads{64};
  std::string certificate_file, key_file;
  Place place;
  std::string store;  // sqlite:FILE or postgresql://...
  std::size_t store_connections{16};
  std::string module, token_label, pin_file, softhsm_configuration, root_key;
  std::string principals_file;
  std::string xks_authorities_file;  // empty: the system's
  cofferdam::TrustAnchors anchors;
};

// Throws cofferdam::Unreadable with the file, the place in it and the mend. Unknown members are refused.
[[nodiscard]] Configuration read_configuration(const std::string& file);

// A development set-up in a folder that doesn't exist yet or is empty: SoftHSM token with a root key, a certificate for localhost
// that signs itself, one administrator, kms.json. Throws cofferdam::Unreadable and what the parts throw.
void make_development_setup(const std::string& folder, const Place& place, const std::vector<std::string>& roots, bool aws);

}  // namespace kms
