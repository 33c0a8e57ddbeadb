// The key and certificate that sign one enclave's documents (nitro-formats section 2.4, level 4).
//
// One key pair per enclave and issue; 3 hours of life; the monitor issues it with the key that the ROM certified.
// Freshness of a document comes from its nonce or public key, never from the leaf's dates.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "firmware/attestation/platform_state.hpp"
#include "firmware/base/byte_reader.hpp"
#include "firmware/base/ids.hpp"
#include "firmware/base/result.hpp"
#include "firmware/crypto/ecdsa_p384.hpp"

namespace attestation {

inline constexpr std::uint64_t kLeafLifetime = 10'800;  // seconds
inline constexpr std::uint64_t kLeafBackdating = 3;     // a verifier's clock may be a little behind
inline constexpr std::size_t kMaxLeafSize = 1024;

struct LeafIdentity {  // holds a secret: wipe() when the enclave ends
  crypto::P384KeyPair key;
  std::uint64_t not_after{};  // Unix seconds
  std::uint32_t size{};       // 0: none issued yet
  std::array<std::uint8_t, kMaxLeafSize> certificate{};

  [[nodiscard]] base::Bytes der() const { return base::Bytes{certificate}.first(size); }
  // Also while it still holds for a moment: a document must outlive its way to the verifier.
  [[nodiscard]] bool needs_renewal(std::uint64_t unix_seconds) const {
    constexpr std::uint64_t kMargin = 600;
    return size == 0 || unix_seconds + kMargin > not_after;
  }
  void wipe();
};

struct LeafRequest {
  std::string_view module_id;  // "<device id>-enc<slot uid as 16 hex digits>"
  std::string_view region;     // common name: "<module_id>.<region>.cofferdam"; the region is cut to make that 64 bytes
  base::SlotUid slot;
  std::uint64_t unix_seconds{};
  PlatformState state;
};

// The monitor's part of the chain: its key, and the certificate that the ROM wrote for it.
struct MonitorIdentity {
  const crypto::P384KeyPair& key;
  base::Bytes certificate;  // DER; its subject becomes the leaf's issuer, byte for byte
};

// `seed` is 48 fresh random bytes. Errors: kInvalidArgument (the monitor's certificate, the time), kTooLarge
// (module_id of more than 53 bytes), kDenied (the certificate is not for the monitor's key), kInternal.
[[nodiscard]] base::Result<LeafIdentity> issue_leaf(const LeafRequest& request, const MonitorIdentity& monitor,
                                                    const crypto::Digest& seed);

// "<device id>-enc<slot uid as 16 hex digits>", cut after 64 bytes of device id.
struct ModuleId {
  std::array<char, 84> text{};
  std::size_t size{};
  [[nodiscard]] std::string_view view() const { return {text.data(), size}; }
};
[[nodiscard]] ModuleId module_id_of(std::string_view device_id, base::SlotUid slot);

}  // namespace attestation
