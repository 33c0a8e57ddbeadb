// Reading X.509 certificates of others, and checking who issued them.
//
// A view points into the DER that it was read from. Parsing is mbedTLS's; what it leaves to the caller is here:
// one certificate and nothing behind it, version 3, an elliptic-curve key, dates as Unix seconds.
// Of an image's signer only the key and the dates count, as for AWS's reader: read_signer() takes certificates of any
// version, issuer and extensions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"
#include "firmware/crypto/ecdsa_verify.hpp"

namespace crypto {

inline constexpr std::size_t kMaxCertificateSize = 4096;  // bytes of DER that are looked at

// RFC 5280 4.2.1.3, as X.509 numbers the bits: digitalSignature is the most significant bit of the first byte.
inline constexpr std::uint32_t kUsageDigitalSignature = 0x80;
inline constexpr std::uint32_t kUsageKeyCertSign = 0x04;

struct SignerView {
  std::uint64_t not_before{};  // Unix seconds, both inclusive
  std::uint64_t not_after{};
  Curve curve{};
  std::array<std::uint8_t, kMaxPointSize> point{};
  std::size_t point_size{};

  [[nodiscard]] base::Bytes public_key() const { return base::Bytes{point}.first(point_size); }
  [[nodiscard]] bool valid_at(std::uint64_t unix_seconds) const {
    return not_before <= unix_seconds && unix_seconds <= not_after;
  }
};

struct CertificateView : SignerView {
  base::Bytes der;           // all of it
  base::Bytes to_be_signed;  // TBSCertificate, DER
  base::Bytes serial;
  base::Bytes issuer;        // Name, DER
  base::Bytes subject;
  std::string_view issuer_common_name;  // empty when absent
  std::string_view subject_common_name;
  std::string_view subject_organizational_unit;
  std::array<std::uint8_t, kMaxSignatureSize> signature{};  // r and s, left-padded, each in one half
  Hash signature_hash{};
  bool authority{};                          // basicConstraints CA
  std::optional<std::uint32_t> path_length;  // as in RFC 5280: 0 means that only leaves may follow
  std::optional<std::uint32_t> key_usage;
  base::Bytes extensions;                    // the SEQUENCE OF Extension, DER; empty when absent
};

// Errors: kTooLarge, kInvalidArgument (malformed, an unknown critical extension, no supported key), kInternal.
[[nodiscard]] base::Result<CertificateView> read_certificate(base::Bytes der);
// Neither the issuer's signature nor the extensions are looked at.
// Errors: kInvalidArgument (malformed, no supported key), kInternal.
[[nodiscard]] base::Result<SignerView> read_signer(base::Bytes der);

// Value of the one extension with this OID (content bytes). Errors: kOutOfRange when there is none,
// kInvalidArgument when it occurs twice.
[[nodiscard]] base::Result<base::Bytes> find_extension(const CertificateView& certificate, base::Bytes oid);

// The issuer is a CA that may sign certificates, bears the name that the subject gives, and its key verifies the
// signature. Dates and path lengths are the caller's. Errors: kDenied (not such a CA or name), kBadSignature, kInternal.
[[nodiscard]] base::Status verify_issued_by(const CertificateView& subject, const CertificateView& issuer);

// The first certificate of a PEM text, as DER at the front of `buffer`. Errors: kInvalidArgument, kBufferTooSmall.
[[nodiscard]] base::Result<base::Bytes> pem_to_der(base::Bytes pem, base::MutableBytes buffer);

}  // namespace crypto
