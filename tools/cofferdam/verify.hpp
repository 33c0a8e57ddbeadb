// The verification of one attestation document, from its bytes to a verdict with everything that was found on the way.
//
// Order: encoding, algorithm, payload, chain, root, validity, signature; then what the caller asks for: identity,
// policies, nonce, platform. The first failure decides; what was decoded until then stays in the report, so that a
// person sees what was refused. The clock is an argument.
#pragma once

#include "tools/cofferdam/chain.hpp"
#include "tools/cofferdam/cose.hpp"
#include "tools/cofferdam/document.hpp"
#include "tools/cofferdam/platform.hpp"
#include "tools/cofferdam/policy.hpp"

namespace cofferdam {

inline constexpr std::size_t kMaxDocument = 64 * 1024;  // real ones are 5 KB; an NSM response holds at most 16 KiB

struct VerifyOptions {
  TrustAnchors anchors;
  std::int64_t time{};
  std::optional<Bytes> nonce;
  std::vector<Policy> policies;
  bool allow_development{false};
  bool allow_debug{false};
  PlatformEvidence evidence;
  SignatureMemory* memory{};  // of a server that verifies many; nullptr: none
};

struct Report {
  std::optional<Reason> refused;  // none: accepted
  std::string message;            // why it was refused
  std::int64_t time{};
  bool tagged{};
  std::size_t size{};
  std::optional<Document> document;
  std::vector<Certificate> chain;
  bool signature_valid{};         // the leaf's key signed the payload, and the chain holds
  bool debug{};
  bool development{};
  std::optional<Platform> platform;
  std::vector<std::string> warnings;
};

// COSE as raw bytes, hexadecimal or base64 text, whichever `input` is. Throws Unreadable.
[[nodiscard]] Bytes document_bytes(ByteView input);

// Throws Unreadable when the bytes are no COSE_Sign1 at all; everything else is in the report.
[[nodiscard]] Report verify_document(ByteView bytes, const VerifyOptions& options);

}  // namespace cofferdam
