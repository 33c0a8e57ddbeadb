// One device's identity: its secret, its certificate, whom it trusts (layout: firmware/rom/identity.hpp).
//
// The unique device secret is drawn here and lies in the identity file only (mode 0600): after it is burned into the
// device, the file is to be destroyed.
#pragma once

#include <string>

#include "tools/provision/root.hpp"

namespace provision {

struct DeviceOptions {
  std::string device_id;  // "i-" and 17 hex digits when empty
  std::uint32_t minimum_security_version{};
  Purpose purpose{Purpose::kProduction};  // must be the root's
  std::uint64_t not_before{};
};

// The encoded identity. Throws when the purposes differ or the id can't be used.
[[nodiscard]] Bytes make_device(const Root& root, const DeviceOptions& options, const Randomness& randomness);

}  // namespace provision
