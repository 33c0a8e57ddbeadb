// The manufacturer's side: three keys and two certificates in one folder.
//
//   root-key.pem, root.pem                   the trust anchor: 30 years, signs the manufacturer only
//   manufacturer-key.pem, manufacturer.pem   20 years, path length 2, signs devices
//   firmware-signing-key.pem, firmware-signing-public.pem   signs firmware packages; not certified: a device holds
// its hash Shaped like the chain of nitro-formats section 2.4. Private keys are files of mode 0600, never printed.
#pragma once

#include "tools/provision/development.hpp"
#include "tools/provision/key_file.hpp"
#include "tools/provision/randomness.hpp"

namespace provision {

inline constexpr std::uint64_t kYear = 31'557'600;  // seconds, Julian
inline constexpr std::uint64_t kRootLifetime = 30 * kYear;
inline constexpr std::uint64_t kManufacturerLifetime = 20 * kYear;
inline constexpr std::uint64_t kDeviceLifetime = 15 * kYear;

struct RootOptions {
  Path folder;
  Purpose purpose{Purpose::kProduction};
  std::uint64_t not_before{};  // Unix seconds
};
// Throws when the folder already holds a root: a root is not replaced by accident.
void make_root(const RootOptions& options, const Randomness& randomness);

// What make_root() left, read back and checked: every key fits its certificate, the root issued the manufacturer.
struct Root {
  PrivateKey manufacturer_key;
  Bytes root_certificate;
  Bytes manufacturer_certificate;
  crypto::P384PublicKey firmware_signer{};
  Purpose purpose{};
  std::uint64_t manufacturer_not_after{};
};
[[nodiscard]] Root read_root(const Path& folder);

}  // namespace provision
