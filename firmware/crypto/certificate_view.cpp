// mbedTLS gives basic constraints, key usage and the signature only under this name; 3.6 is a long-term branch.
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include "firmware/crypto/certificate_view.hpp"

#include <mbedtls/asn1.h>
#include <mbedtls/base64.h>
#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>

#include <cstring>

#include "firmware/crypto/der_reader.hpp"
#include "firmware/crypto/der_writer.hpp"
#include "firmware/crypto/mbedtls_guards.hpp"

namespace crypto {
namespace {

struct ParsedCertificate : mbedtls_x509_crt {
  ParsedCertificate() { mbedtls_x509_crt_init(this); }
  ~ParsedCertificate() { mbedtls_x509_crt_free(this); }
  ParsedCertificate(const ParsedCertificate&) = delete;
  ParsedCertificate& operator=(const ParsedCertificate&) = delete;
};

struct ParsedKey : mbedtls_pk_context {
  ParsedKey() { mbedtls_pk_init(this); }
  ~ParsedKey() { mbedtls_pk_free(this); }
  ParsedKey(const ParsedKey&) = delete;
  ParsedKey& operator=(const ParsedKey&) = delete;
};

base::Bytes bytes_of(const mbedtls_x509_buf& buffer) { return {buffer.p, buffer.len}; }

bool equal(base::Bytes a, base::Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

std::string_view name_part(const mbedtls_x509_name& name, base::Bytes oid) {
  for (const mbedtls_x509_name* part = &name; part != nullptr; part = part->next) {
    if (part->oid.p != nullptr && equal(bytes_of(part->oid), oid)) {
      return {reinterpret_cast<const char*>(part->val.p), part->val.len};
    }
  }
  return {};
}

// mbedTLS has checked that the fields are a date.
std::uint64_t unix_seconds(const mbedtls_x509_time& time) {
  const auto year = static_cast<std::uint64_t>(time.mon > 2 ? time.year : time.year - 1);
  const auto shifted_month = static_cast<std::uint64_t>(time.mon > 2 ? time.mon - 3 : time.mon + 9);
  const std::uint64_t day_of_year = (153 * shifted_month + 2) / 5 + static_cast<std::uint64_t>(time.day) - 1;
  const std::uint64_t days = 365 * year + year / 4 - year / 100 + year / 400 + day_of_year;
  constexpr std::uint64_t kDaysTo1970 = 719'468;
  if (days < kDaysTo1970) return 0;
  return (days - kDaysTo1970) * 86'400 + static_cast<std::uint64_t>(time.hour) * 3'600 +
         static_cast<std::uint64_t>(time.min) * 60 + static_cast<std::uint64_t>(time.sec);
}

// Time ::= CHOICE { utcTime YYMMDDHHMMSSZ, generalTime YYYYMMDDHHMMSSZ } (RFC 5280 4.1.2.5), as Unix seconds.
base::Result<std::uint64_t> read_time(DerReader& reader) {
  const bool short_year = reader.next_is(der::kUtcTime);
  MON_TRY_ASSIGN(const base::Bytes text, reader.value(short_year ? der::kUtcTime : der::kGeneralizedTime));
  std::array<int, 7> pairs{};  // century, year, month, day, hour, minute, second
  const std::size_t first = short_year ? 1 : 0;
  if (text.size() != 2 * (pairs.size() - first) + 1 || text.back() != 'Z') return base::Error::kInvalidArgument;
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] < '0' || text[i] > '9') return base::Error::kInvalidArgument;
    pairs[first + i / 2] = 10 * pairs[first + i / 2] + (text[i] - '0');
  }
  const auto [century, year, month, day, hour, minute, second] = pairs;
  const mbedtls_x509_time time{.year = (short_year ? (year < 50 ? 20 : 19) : century) * 100 + year,
                               .mon = month, .day = day, .hour = hour, .min = minute, .sec = second};
  const bool leap_year = time.year % 4 == 0 && (time.year % 100 != 0 || time.year % 400 == 0);
  const int days = month == 2 ? 28 + leap_year : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
  if (month < 1 || month > 12 || day < 1 || day > days || hour > 23 || minute > 59 || second > 59) {
    return base::Error::kInvalidArgument;
  }
  return unix_seconds(time);
}

base::Status read_key(const mbedtls_pk_context& parsed, SignerView& view) {
  if (mbedtls_pk_get_type(&parsed) != MBEDTLS_PK_ECKEY) return base::Error::kInvalidArgument;
  const mbedtls_ecp_keypair* key = mbedtls_pk_ec(parsed);
  switch (key->grp.id) {
    case MBEDTLS_ECP_DP_SECP256R1: view.curve = Curve::kP256; break;
    case MBEDTLS_ECP_DP_SECP384R1: view.curve = Curve::kP384; break;
    case MBEDTLS_ECP_DP_SECP521R1: view.curve = Curve::kP521; break;
    default: return base::Error::kInvalidArgument;
  }
  if (mbedtls_ecp_point_write_binary(&key->grp, &key->Q, MBEDTLS_ECP_PF_UNCOMPRESSED, &view.point_size,
                                     view.point.data(), view.point.size()) != 0) {
    return base::Error::kInternal;
  }
  return {};
}

// ECDSA-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER } (RFC 5480), both into halves of `view.signature`.
base::Status read_signature(const ParsedCertificate& parsed, CertificateView& view) {
  switch (parsed.sig_md) {
    case MBEDTLS_MD_SHA256: view.signature_hash = Hash::kSha256; break;
    case MBEDTLS_MD_SHA384: view.signature_hash = Hash::kSha384; break;
    case MBEDTLS_MD_SHA512: view.signature_hash = Hash::kSha512; break;
    default: return base::Error::kInvalidArgument;
  }
  if (parsed.sig_pk != MBEDTLS_PK_ECDSA) return base::Error::kInvalidArgument;
  unsigned char* cursor = parsed.sig.p;
  const unsigned char* end = parsed.sig.p + parsed.sig.len;
  std::size_t length = 0;
  Mpi r, s;
  if (mbedtls_asn1_get_tag(&cursor, end, &length, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE) != 0 ||
      cursor + length != end || mbedtls_asn1_get_mpi(&cursor, end, &r) != 0 ||
      mbedtls_asn1_get_mpi(&cursor, end, &s) != 0 || cursor != end) {
    return base::Error::kInvalidArgument;
  }
  constexpr std::size_t kHalf = kMaxSignatureSize / 2;
  if (mbedtls_mpi_write_binary(&r, view.signature.data(), kHalf) != 0 ||
      mbedtls_mpi_write_binary(&s, view.signature.data() + kHalf, kHalf) != 0) {
    return base::Error::kInvalidArgument;
  }
  return {};
}

bool ran_out(int result) {
  // Low seven bits carry the ASN.1 or number layer's error, the rest the X.509 or key layer's.
  const int low = -(-result & 0x7F);
  return result == MBEDTLS_ERR_X509_ALLOC_FAILED || result == MBEDTLS_ERR_PK_ALLOC_FAILED ||
         low == MBEDTLS_ERR_ASN1_ALLOC_FAILED || low == MBEDTLS_ERR_MPI_ALLOC_FAILED;
}

}  // namespace

base::Result<CertificateView> read_certificate(base::Bytes der) {
  if (der.size() > kMaxCertificateSize) return base::Error::kTooLarge;
  if (der.empty()) return base::Error::kInvalidArgument;
  ParsedCertificate parsed;
  const int result = mbedtls_x509_crt_parse_der_nocopy(&parsed, der.data(), der.size());
  if (ran_out(result)) return base::Error::kInternal;
  if (result != 0) return base::Error::kInvalidArgument;
  if (parsed.raw.len != der.size() || parsed.version != 3) return base::Error::kInvalidArgument;

  CertificateView view;
  view.der = der;
  view.to_be_signed = bytes_of(parsed.tbs);
  view.serial = bytes_of(parsed.serial);
  view.issuer = bytes_of(parsed.issuer_raw);
  view.subject = bytes_of(parsed.subject_raw);
  constexpr std::array<std::uint8_t, 3> kCommonNameType{0x55, 0x04, 0x03};
  constexpr std::array<std::uint8_t, 3> kOrganizationalUnitType{0x55, 0x04, 0x0B};
  view.issuer_common_name = name_part(parsed.issuer, kCommonNameType);
  view.subject_common_name = name_part(parsed.subject, kCommonNameType);
  view.subject_organizational_unit = name_part(parsed.subject, kOrganizationalUnitType);
  view.not_before = unix_seconds(parsed.valid_from);
  view.not_after = unix_seconds(parsed.valid_to);
  MON_TRY(read_key(parsed.pk, view));
  MON_TRY(read_signature(parsed, view));
  view.authority = parsed.ca_istrue != 0;
  if (parsed.max_pathlen > 0) view.path_length = static_cast<std::uint32_t>(parsed.max_pathlen - 1);
  if ((parsed.ext_types & MBEDTLS_X509_EXT_KEY_USAGE) != 0) view.key_usage = parsed.key_usage;
  view.extensions = bytes_of(parsed.v3_ext);
  return view;
}

// Certificate ::= SEQUENCE { TBSCertificate ::= SEQUENCE { [0] version OPTIONAL, serialNumber, signature, issuer,
// validity, subject, subjectPublicKeyInfo, ... }, signatureAlgorithm, signatureValue } (RFC 5280 4.1)
base::Result<SignerView> read_signer(base::Bytes der) {
  DerReader outer{der};
  MON_TRY_ASSIGN(DerReader certificate, outer.enter(der::kSequence));
  MON_TRY(outer.finish());
  MON_TRY_ASSIGN(const base::Bytes to_be_signed, certificate.value(der::kSequence));
  for (const std::uint8_t tag : {der::kSequence, der::kBitString}) MON_TRY(certificate.value(tag));
  MON_TRY(certificate.finish());

  DerReader fields{to_be_signed};
  if (fields.next_is(der::context_constructed(0))) MON_TRY(fields.value(der::context_constructed(0)));
  for (const std::uint8_t tag : {der::kInteger, der::kSequence, der::kSequence}) MON_TRY(fields.value(tag));
  MON_TRY_ASSIGN(DerReader validity, fields.enter(der::kSequence));
  SignerView view;
  MON_TRY_ASSIGN(view.not_before, read_time(validity));
  MON_TRY_ASSIGN(view.not_after, read_time(validity));
  MON_TRY(validity.finish());
  MON_TRY_ASSIGN(const base::Bytes subject, fields.value(der::kSequence));

  ParsedKey key;
  auto* cursor = const_cast<unsigned char*>(subject.data() + subject.size());  // mbedTLS's interface takes no const
  const int result = mbedtls_pk_parse_subpubkey(&cursor, to_be_signed.data() + to_be_signed.size(), &key);
  if (ran_out(result)) return base::Error::kInternal;
  if (result != 0) return base::Error::kInvalidArgument;
  MON_TRY(read_key(key, view));
  return view;
}

base::Result<base::Bytes> find_extension(const CertificateView& certificate, base::Bytes oid) {
  // mbedTLS has walked these extensions when the view was made; the walk here repeats it for one OID.
  auto* cursor = const_cast<unsigned char*>(certificate.extensions.data());  // its interface takes no const
  const unsigned char* end = cursor + certificate.extensions.size();
  constexpr int kSequence = MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE;
  std::optional<base::Bytes> found;
  std::size_t length = 0;
  if (cursor == end) return base::Error::kOutOfRange;  // a certificate without extensions
  if (mbedtls_asn1_get_tag(&cursor, end, &length, kSequence) != 0) return base::Error::kInvalidArgument;
  while (cursor < end) {
    if (mbedtls_asn1_get_tag(&cursor, end, &length, kSequence) != 0) return base::Error::kInvalidArgument;
    const unsigned char* extension_end = cursor + length;
    if (mbedtls_asn1_get_tag(&cursor, extension_end, &length, MBEDTLS_ASN1_OID) != 0) {
      return base::Error::kInvalidArgument;
    }
    const base::Bytes this_oid{cursor, length};
    cursor += length;
    int critical = 0;
    const int has_critical = mbedtls_asn1_get_bool(&cursor, extension_end, &critical);
    if (has_critical != 0 && has_critical != MBEDTLS_ERR_ASN1_UNEXPECTED_TAG) return base::Error::kInvalidArgument;
    if (mbedtls_asn1_get_tag(&cursor, extension_end, &length, MBEDTLS_ASN1_OCTET_STRING) != 0) {
      return base::Error::kInvalidArgument;
    }
    if (equal(this_oid, oid)) {
      if (found) return base::Error::kInvalidArgument;
      found = base::Bytes{cursor, length};
    }
    cursor += length;
  }
  if (!found) return base::Error::kOutOfRange;
  return *found;
}

base::Status verify_issued_by(const CertificateView& subject, const CertificateView& issuer) {
  if (!issuer.authority || !equal(subject.issuer, issuer.subject)) return base::Error::kDenied;
  if (issuer.key_usage && (*issuer.key_usage & kUsageKeyCertSign) == 0) return base::Error::kDenied;
  // The view keeps r and s as wide as the widest curve; the issuer's curve says how wide they are.
  const std::size_t size = coordinate_size(issuer.curve);
  constexpr std::size_t kHalf = kMaxSignatureSize / 2;
  std::array<std::uint8_t, kMaxSignatureSize> signature{};
  for (std::size_t i = 0; i < kHalf; ++i) {
    if (i < kHalf - size) {
      if ((subject.signature[i] | subject.signature[kHalf + i]) != 0) return base::Error::kBadSignature;
      continue;
    }
    signature[i - (kHalf - size)] = subject.signature[i];
    signature[size + i - (kHalf - size)] = subject.signature[kHalf + i];
  }
  return verify(issuer.curve, subject.signature_hash, issuer.public_key(), {subject.to_be_signed},
                base::Bytes{signature}.first(2 * size));
}

base::Result<base::Bytes> pem_to_der(base::Bytes pem, base::MutableBytes buffer) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  const std::string_view text{reinterpret_cast<const char*>(pem.data()), pem.size()};
  const std::size_t begin = text.find(kBegin);
  if (begin == std::string_view::npos) return base::Error::kInvalidArgument;
  std::size_t body = begin + kBegin.size();
  const std::size_t end = text.find(kEnd, body);
  if (end == std::string_view::npos) return base::Error::kInvalidArgument;
  // Line breaks within base64 are mbedTLS's business, but not one at its front.
  while (body < end && (text[body] == '\r' || text[body] == '\n')) ++body;
  std::size_t written = 0;
  const int result =
      mbedtls_base64_decode(buffer.data(), buffer.size(), &written, pem.data() + body, end - body);
  if (result == MBEDTLS_ERR_BASE64_BUFFER_TOO_SMALL) return base::Error::kBufferTooSmall;
  if (result != 0 || written == 0) return base::Error::kInvalidArgument;
  return base::Bytes{buffer}.first(written);
}

}  // namespace crypto
