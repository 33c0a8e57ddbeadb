// Writing X.509 v3 certificates (RFC 5280), P-384 with ecdsa-with-SHA384, shaped like the chain of AWS Nitro Enclaves
// (nitro-formats section 2.4), so that a verifier made for that chain needs another root and nothing else.
//
// Times are Unix seconds. Key identifiers are the leftmost 160 bits of SHA-384 of the public key's BIT STRING
// content (RFC 7093 section 2, method 3): no SHA-1 anywhere.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"
#include "firmware/crypto/ecdsa_p384.hpp"

namespace crypto {

struct DistinguishedName {  // empty parts are left out; at most 64 bytes each (RFC 5280 appendix A, upper bounds)
  std::string_view common_name;
  std::string_view organization;
  std::string_view organizational_unit;
};

inline constexpr std::uint64_t kNoExpiry = ~std::uint64_t{0};  // written as 99991231235959Z (RFC 5280 4.1.2.5)
struct Validity {
  std::uint64_t not_before{};
  std::uint64_t not_after{};
};

enum class CertificateKind : std::uint8_t {
  kRoot,          // CA without path length; usage digitalSignature, keyCertSign, cRLSign, critical
  kAuthority,     // CA with path length; usage digitalSignature, keyCertSign, cRLSign, critical
  kLastAuthority, // CA with path length; usage keyCertSign only, critical: what signs leaves
  kLeaf,          // not a CA; usage digitalSignature, nonRepudiation, not critical; no key identifiers
};

enum class Criticality : std::uint8_t { kCritical, kNotCritical };

struct Extension {
  base::Bytes oid;    // content bytes of the OBJECT IDENTIFIER
  Criticality criticality{Criticality::kNotCritical};
  base::Bytes value;  // DER, goes into the OCTET STRING
};

struct CertificateRequest {
  DistinguishedName issuer;
  base::Bytes issuer_der;  // the issuer's name as its own certificate has it; goes before `issuer` unless empty
  DistinguishedName subject;
  base::Bytes serial;  // big-endian, positive, 1..20 bytes
  Validity validity;
  CertificateKind kind{CertificateKind::kLeaf};
  std::uint8_t path_length{};  // of kAuthority and kLastAuthority
  P384PublicKey subject_key{};
  std::span<const Extension> extensions;  // after the standard ones, in this order
};

// The certificate, at the front of `buffer`. Errors, in this order: kInvalidArgument (serial, times before 1970-01-01
// or after 9999, end before begin), kTooLarge (a name's part), kBufferTooSmall, kInternal.
[[nodiscard]] base::Result<base::Bytes> write_certificate(const CertificateRequest& request,
                                                          const P384KeyPair& issuer_key, base::MutableBytes buffer);

using KeyIdentifier = std::array<std::uint8_t, 20>;
[[nodiscard]] KeyIdentifier key_identifier(const P384PublicKey& key);

}  // namespace crypto
