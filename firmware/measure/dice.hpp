// DICE: each boot stage gets a secret that depends on the device and on what is measured to run next.
//
//   CDI  = HKDF-Extract(salt = measurement, IKM = UDS)                     in the ROM
//   seed = HKDF-Expand(CDI, "cofferdam attestation key", 48)               in ROM and monitor alike
//   key  = crypto::P384KeyPair::from_seed(seed)                            the ROM certifies it, the monitor signs with it
// (TCG DICE Layering Architecture, section 5: one-way function of UDS and the next layer's measurement.)
// Other code, another board, another version or a development identity give another key.
#pragma once

#include <cstdint>

#include "firmware/base/result.hpp"
#include "firmware/measure/handover.hpp"

namespace measure {

struct LayerMeasurement {
  Digest code{};                    // the monitor's image
  Digest configuration{};           // the board description
  std::uint32_t security_version{};
  std::uint32_t development{};      // 1: the identity is a development one
};
// SHA-384(code || configuration || security_version || development), numbers as 4 bytes little-endian.
[[nodiscard]] Digest digest_of(const LayerMeasurement& measurement);

// The results are secrets: the caller wipes them (crypto/secret.hpp). Errors: kInternal.
[[nodiscard]] base::Result<Digest> derive_cdi(const Digest& device_secret, const Digest& measurement);
[[nodiscard]] base::Result<Digest> attestation_seed(const Digest& cdi);
// The device's own key, which signs the monitor's certificate: ROM and tools/provision only.
[[nodiscard]] base::Result<Digest> device_key_seed(const Digest& device_secret);

}  // namespace measure
