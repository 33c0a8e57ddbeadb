// What a document says about the machine below the enclave, and whether logs that came with it tell the same.
//
// Two extensions of Cofferdam's certificates carry it (docs/attestation-format.md): TCG DICE TcbInfo in the monitor's
// certificate, PlatformState in the leaf. AWS's certificates have neither. The event log (80-byte events) must replay
// to the digest that the leaf states; the ledger (32-byte records) must hash to the leaf's head.
#pragma once

#include "firmware/measure/handover.hpp"
#include "tools/cofferdam/policy.hpp"

namespace cofferdam {

inline constexpr std::string_view kOidTcbInfo = "2.23.133.5.4.1";
inline constexpr std::string_view kOidPlatformState = "2.25.105861246720202449842858039960419476762";
// tools/provision/development.hpp: in the root and the device certificate of a development identity.
inline constexpr std::string_view kOidDevelopment = "2.999.1.1";

struct TcbInfo {
  std::string vendor, model, version;
  std::uint64_t security_version{};
  std::uint64_t layer{};
  std::vector<Bytes> firmware_ids;  // the monitor's image, the board description
  bool not_secure{};                // a development identity
  bool debug{};
};

struct PlatformState {
  Bytes bank_digest, launch_digest, ledger_head;
  std::uint64_t ledger_records{}, flags{}, cores{}, memory{}, shared_memory{};
};
// What a set flag says, in the order of the bits.
struct FlagMeaning {
  std::uint64_t bit;
  std::string_view key;      // stable, for JSON
  std::string_view meaning;  // for people, when it is set
  std::string_view absence;  // when it is not; empty: not worth a line
};
[[nodiscard]] std::span<const FlagMeaning> platform_flags();

struct PlatformEvent {
  unsigned pcr{};
  std::string name;
  Bytes digest;
};

struct LedgerRecord {
  std::uint64_t sequence{};
  unsigned kind{}, from{}, to{};
  std::uint64_t detail{}, first{}, count{};
};
[[nodiscard]] std::string describe(const LedgerRecord& record);

struct Platform {
  std::optional<TcbInfo> tcb;
  std::optional<PlatformState> state;
  std::vector<PlatformEvent> events;       // empty when no log was given
  std::map<unsigned, Bytes> registers;     // from the events, when they replay to the leaf's digest
  std::vector<LedgerRecord> ledger;        // empty when none was given
};

struct PlatformEvidence {
  std::optional<Bytes> event_log;
  std::optional<Bytes> ledger;
};

inline constexpr std::size_t kEventSize = sizeof(measure::Event);
inline constexpr std::size_t kLedgerRecordSize = 32;

// Raw records, or the same in hexadecimal text. Throws Unreadable.
[[nodiscard]] Bytes evidence_bytes(ByteView input, std::size_t record_size, const std::string& path);

// Whether any certificate says that the device's keys are not secret: by its subject's OU, by the marker extension, by
// TcbInfo, or by PlatformState.
[[nodiscard]] bool is_development(const std::vector<Certificate>& chain);

// None when the chain carries neither extension. Throws Refusal (kPlatform) when one is malformed.
[[nodiscard]] std::optional<Platform> read_platform(const std::vector<Certificate>& chain);

// Replays what came with the document and compares with it and with the policies; what was replayed goes into the
// answer. Throws Refusal: kPlatform, kEventLog, kLedger.
[[nodiscard]] std::optional<Platform> check_platform(const std::optional<Platform>& stated, const PlatformEvidence& evidence,
                                                     const std::vector<Policy>& policies, bool debug);

[[nodiscard]] std::string_view meaning_of_platform_pcr(unsigned index);

}  // namespace cofferdam
