// The monitor's keys and certificates, and the random generator: what never leaves this memory (invariant keys-stay).
//
// Callers of everything but device_id(), is_development() and security_version() hold the crypto lock, inside a hal::FloatingPointScope.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "firmware/base/byte_reader.hpp"
#include "firmware/crypto/drbg.hpp"
#include "firmware/crypto/ecdsa_p384.hpp"
#include "firmware/measure/handover.hpp"

namespace monitor {

// At boot: DRBG from tested entropy, the attestation key from the CDI, the chain copied. Precondition: the handover is
// valid. Errors: kNoEntropy, kInternal.
[[nodiscard]] base::Status establish_identity(const measure::Handover& handover);

[[nodiscard]] std::string_view device_id();  // "i-..." of the parent, as PCR4 extends it
[[nodiscard]] bool is_development();
[[nodiscard]] std::uint32_t security_version();  // of this monitor, by its certificate; 0 when that says none
[[nodiscard]] crypto::Drbg& generator();     // reseeded from fresh entropy when it asks for it
[[nodiscard]] bool entropy_has_failed();     // a health test did not pass, now or earlier
[[nodiscard]] const crypto::P384KeyPair& attestation_key();
[[nodiscard]] std::span<const base::Bytes> certificate_chain();  // root first, the monitor's last

}  // namespace monitor
