// What an enclave's registers hold before its first instruction (nitro-formats sections 1.7 and 3.3).
//
// PCR0, 1, 2, 8 extend a SHA-384 digest, PCR3 and PCR4 the raw text. A debug enclave has zero in PCR0, 1, 2 and 8,
// so no key policy that names one of them can be met by it; PCR3 and PCR4 stay, as on AWS.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "firmware/measure/pcr_bank.hpp"

namespace measure {

enum class LaunchMode : std::uint8_t { kProduction, kDebug };

struct LaunchMeasurement {
  Digest image{};                // kernel, command line, every ramdisk, in file order
  Digest boot{};                 // kernel, command line, the first ramdisk
  Digest application{};          // every ramdisk but the first; SHA-384 of nothing when there is none
  std::optional<Digest> signer;  // SHA-384 of the signing certificate's DER; none: unsigned, PCR8 stays zero
  std::string_view role;         // PCR3; empty: stays zero
  std::string_view instance;     // PCR4, the parent's device id; empty: stays zero
};

// Registers 0..15 are locked in it.
[[nodiscard]] PcrBank launch_bank(const LaunchMeasurement& measurement, LaunchMode mode);

// What was launched, debug or not, in one value: SHA-384(image || boot || application || signer or 48 zeros ||
// one byte: 1 for debug, 0 for production). Goes into the leaf certificate; no key policy reads it.
[[nodiscard]] Digest launch_digest(const LaunchMeasurement& measurement, LaunchMode mode);

}  // namespace measure
