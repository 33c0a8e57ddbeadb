// Whether a chain of certificates leads from an accepted root to the key that signed the document.
//
// The rules of aws-nitro-enclaves-nsm-api docs/attestation_process.md section 3.2.3 and RFC 5280 section 6.1, cut to
// what such chains may be: ECDSA P-384 with SHA-384 throughout, root first, leaf last, at most 10. The root that the
// document brings counts only when it is byte for byte an accepted one. There is no revocation list.
#pragma once

#include "tools/cofferdam/crypto.hpp"
#include "tools/cofferdam/refusal.hpp"

namespace cofferdam {

// SHA-256 of the DER of AWS's Nitro Enclaves root G1, as AWS publishes it.
inline constexpr std::string_view kAwsRootFingerprint =
    "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b";

// Which roots count: the certificates given, or, when none is, AWS's by its fingerprint.
struct TrustAnchors {
  std::vector<Bytes> roots;  // DER
  bool also_aws{};           // beside the certificates given
  [[nodiscard]] bool accepts(ByteView root) const;
};

// Our own extensions and those that the rules below handle: the critical ones that a chain may carry.
[[nodiscard]] bool is_understood(std::string_view oid);

// Throws Refusal (kChain) when one of them is not a certificate. Order: root, intermediates, leaf.
[[nodiscard]] std::vector<Certificate> parse_chain(const std::vector<Bytes>& cabundle, ByteView leaf);

// Which links (a certificate under an issuer's key) had a good signature when they were checked: five verifications of P-384 are
// most of a document's cost, and a server sees the same chains again and again. Only the signatures' result is kept: names,
// extensions, validity and root are checked every time. May be called by several threads.
class SignatureMemory {
 public:
  virtual ~SignatureMemory() = default;
  [[nodiscard]] virtual bool knows(const Digest256& link) = 0;
  virtual void keep(const Digest256& link, std::int64_t not_after) = 0;  // worth nothing after that time
};

// Throws Refusal: kRoot, kChain, kValidity.
void check_chain(const std::vector<Certificate>& chain, const TrustAnchors& anchors, std::int64_t time,
                 SignatureMemory* memory = nullptr);

// "2024-01-16T17:44:52Z"
[[nodiscard]] std::string format_time(std::int64_t seconds);

}  // namespace cofferdam
