// Why a document is refused: one code for scripts, one sentence for people.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <cstdint>

namespace cofferdam {

enum class Reason : std::uint8_t {
  kEncoding,     // a COSE_Sign1, but not as it must be: header, trailing bytes
  kAlgorithm,    // not ES384
  kPayload,      // the signed map is malformed
  kRoot,         // the chain does not begin at an accepted root
  kChain,        // a certificate is malformed or must not stand where it stands
  kValidity,     // a certificate is not valid at the time of the check
  kSignature,    // the document's signature does not hold
  kDevelopment,  // a development identity, and --allow-development is absent
  kDebug,        // a debug enclave where a policy is asked for, and --allow-debug is absent
  kPcr,          // a register differs from the policy
  kNonce,
  kAge,          // older than the policy's max_age_seconds, or from the future
  kPlatform,     // a platform register differs from the policy, or the document has none
  kEventLog,     // the event log does not replay to the platform registers
  kLedger,       // the ledger's chain is broken or does not end at the document's head
};

// Stable: part of the JSON output.
[[nodiscard]] std::string_view code_of(Reason reason);

class Refusal : public std::runtime_error {
 public:
  Refusal(Reason reason, const std::string& message) : std::runtime_error(message), reason_(reason) {}
  [[nodiscard]] Reason reason() const { return reason_; }

 private:
  Reason reason_;
};

}  // namespace cofferdam
