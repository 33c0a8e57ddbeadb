// The state of the platform that a leaf certificate states: a non-critical extension, so that verifiers which do not
// know it still take the document (docs/attestation-format.md).
//
// OID 2.25.105861246720202449842858039960419476762: a UUID-based OID (ITU-T X.667), made once for this purpose.
//   PlatformState ::= SEQUENCE { version INTEGER (1), platformBank OCTET STRING (SIZE (48)),
//     launchDigest OCTET STRING (SIZE (48)), ledgerHead OCTET STRING (SIZE (48)), ledgerRecords INTEGER,
//     flags INTEGER, cores INTEGER, memory INTEGER, sharedMemory INTEGER }
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"
#include "firmware/measure/handover.hpp"
#include "firmware/measure/ledger.hpp"

namespace attestation {

inline constexpr std::array<std::uint8_t, 20> kPlatformStateOid{0x69, 0x81, 0x9F, 0xA4, 0x91, 0x9B, 0xD4,
                                                                0xDF, 0xE2, 0x84, 0xBB, 0x94, 0x80, 0xDF,
                                                                0xBA, 0xD5, 0x9B, 0xB2, 0xCA, 0x1A};

// Bits of PlatformState::flags. Unknown bits are kept: a later monitor may state more.
enum class PlatformFlag : std::uint32_t {
  kDebugEnclave = 1U << 0U,         // the enclave has a console; its PCR0, 1, 2, 8 are zero
  kDevelopmentIdentity = 1U << 1U,  // the device's keys are known to its developers
  kSmmuActive = 1U << 2U,           // every bus master is confined by an SMMU
  kSecretBehindRom = 1U << 3U,      // the device secret is out of the monitor's reach
  kRepeatTlbi = 1U << 4U,           // the core needs TLB invalidation twice (CVE-2025-10263), and gets it
  kMemoryExclusive = 1U << 5U,      // nothing of the enclave is shared but the channels counted in sharedMemory
  kPointerAuthentication = 1U << 6U,  // the monitor itself runs with it
  kBranchTargets = 1U << 7U,        // likewise BTI
};

struct PlatformState {
  measure::Digest platform_bank{};  // measure::digest_of(bank)
  measure::Digest launch_digest{};  // measure::launch_digest()
  measure::LedgerHead ledger{};     // when the leaf was issued
  std::uint32_t flags{};
  std::uint32_t cores{};
  std::uint64_t memory{};           // bytes donated to the enclave
  std::uint64_t shared_memory{};    // bytes of channels that the parent can also reach

  [[nodiscard]] constexpr bool has(PlatformFlag flag) const { return (flags & static_cast<std::uint32_t>(flag)) != 0; }
  constexpr void set(PlatformFlag flag) { flags |= static_cast<std::uint32_t>(flag); }
};

inline constexpr std::size_t kMaxPlatformStateSize = 256;
// DER at the end of `buffer`. Errors: kBufferTooSmall.
[[nodiscard]] base::Result<base::Bytes> write_platform_state(const PlatformState& state, base::MutableBytes buffer);
// Errors: kInvalidArgument; kNotSupported for a version other than 1.
[[nodiscard]] base::Result<PlatformState> read_platform_state(base::Bytes der);

}  // namespace attestation
