#include "firmware/crypto/certificate.hpp"

#include "firmware/crypto/der_writer.hpp"

namespace crypto {
namespace {

// Object identifiers, content bytes only.
constexpr std::array<std::uint8_t, 3> kCommonName{0x55, 0x04, 0x03};
constexpr std::array<std::uint8_t, 3> kOrganization{0x55, 0x04, 0x0A};
constexpr std::array<std::uint8_t, 3> kOrganizationalUnit{0x55, 0x04, 0x0B};
constexpr std::array<std::uint8_t, 3> kSubjectKeyIdentifier{0x55, 0x1D, 0x0E};
constexpr std::array<std::uint8_t, 3> kKeyUsage{0x55, 0x1D, 0x0F};
constexpr std::array<std::uint8_t, 3> kBasicConstraints{0x55, 0x1D, 0x13};
constexpr std::array<std::uint8_t, 3> kAuthorityKeyIdentifier{0x55, 0x1D, 0x23};
constexpr std::array<std::uint8_t, 7> kEcPublicKey{0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01};        // 1.2.840.10045.2.1
constexpr std::array<std::uint8_t, 5> kSecp384r1{0x2B, 0x81, 0x04, 0x00, 0x22};                      // 1.3.132.0.34
constexpr std::array<std::uint8_t, 8> kEcdsaWithSha384{0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03};

constexpr std::size_t kMaxNamePart = 64;
constexpr std::size_t kMaxSerial = 20;
constexpr std::uint64_t kEndOf9999 = 253'402'300'799;
constexpr std::uint64_t kStartOf2050 = 2'524'608'000;  // from here on GeneralizedTime (RFC 5280 4.1.2.5)

struct CivilTime {
  std::uint64_t year, month, day, hour, minute, second;
};

// Days to date in the proleptic Gregorian calendar, counted from 0000-03-01 in cycles of 400 years.
CivilTime civil(std::uint64_t unix_seconds) {
  const std::uint64_t days = unix_seconds / 86'400 + 719'468;
  const std::uint64_t cycle = days / 146'097;
  const std::uint64_t day_of_cycle = days % 146'097;
  const std::uint64_t year_of_cycle =
      (day_of_cycle - day_of_cycle / 1'460 + day_of_cycle / 36'524 - day_of_cycle / 146'096) / 365;
  const std::uint64_t day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
  const std::uint64_t shifted_month = (5 * day_of_year + 2) / 153;  // 0 is March
  const std::uint64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  const std::uint64_t second_of_day = unix_seconds % 86'400;
  return {cycle * 400 + year_of_cycle + (month <= 2 ? 1U : 0U),
          month,
          day_of_year - (153 * shifted_month + 2) / 5 + 1,
          second_of_day / 3'600,
          second_of_day / 60 % 60,
          second_of_day % 60};
}

void write_time(DerWriter& writer, std::uint64_t unix_seconds) {
  const CivilTime time = civil(unix_seconds == kNoExpiry ? kEndOf9999 : unix_seconds);
  std::array<char, 15> text{};
  std::size_t size = 0;
  const auto digits = [&](std::uint64_t value) {
    text[size++] = static_cast<char>('0' + value / 10);
    text[size++] = static_cast<char>('0' + value % 10);
  };
  const bool generalized = unix_seconds >= kStartOf2050;
  if (generalized) digits(time.year / 100);
  digits(time.year % 100);
  digits(time.month);
  digits(time.day);
  digits(time.hour);
  digits(time.minute);
  digits(time.second);
  text[size++] = 'Z';
  writer.text(generalized ? der::kGeneralizedTime : der::kUtcTime, {text.data(), size});
}

void write_name_part(DerWriter& writer, base::Bytes oid, std::string_view text) {
  if (text.empty()) return;
  const std::size_t end = writer.mark();
  writer.text(der::kUtf8String, text);
  writer.value(der::kObjectIdentifier, oid);
  writer.wrap(der::kSequence, end);
  writer.wrap(der::kSet, end);
}

void write_name(DerWriter& writer, const DistinguishedName& name) {
  const std::size_t end = writer.mark();
  write_name_part(writer, kOrganizationalUnit, name.organizational_unit);
  write_name_part(writer, kOrganization, name.organization);
  write_name_part(writer, kCommonName, name.common_name);
  writer.wrap(der::kSequence, end);
}

void write_public_key(DerWriter& writer, const P384PublicKey& key) {
  const std::size_t end = writer.mark();
  writer.bit_string(key);
  const std::size_t algorithm_end = writer.mark();
  writer.value(der::kObjectIdentifier, kSecp384r1);
  writer.value(der::kObjectIdentifier, kEcPublicKey);
  writer.wrap(der::kSequence, algorithm_end);
  writer.wrap(der::kSequence, end);
}

void write_algorithm(DerWriter& writer) {
  const std::size_t end = writer.mark();
  writer.value(der::kObjectIdentifier, kEcdsaWithSha384);
  writer.wrap(der::kSequence, end);
}

// Puts extension head and OCTET STRING around the value written since `end`.
void close_extension(DerWriter& writer, std::size_t end, base::Bytes oid, Criticality criticality) {
  writer.wrap(der::kOctetString, end);
  if (criticality == Criticality::kCritical) writer.true_value();
  writer.value(der::kObjectIdentifier, oid);
  writer.wrap(der::kSequence, end);
}

void write_basic_constraints(DerWriter& writer, const CertificateRequest& request) {
  const std::size_t end = writer.mark();
  switch (request.kind) {
    case CertificateKind::kRoot: writer.true_value(); break;
    case CertificateKind::kAuthority:
    case CertificateKind::kLastAuthority:
      writer.integer(request.path_length);
      writer.true_value();
      break;
    case CertificateKind::kLeaf: break;  // CA FALSE is the default
  }
  writer.wrap(der::kSequence, end);
  close_extension(writer, end, kBasicConstraints, Criticality::kCritical);
}

void write_key_usage(DerWriter& writer, CertificateKind kind) {
  // BIT STRING content: unused bits, then digitalSignature 0x80, nonRepudiation 0x40, keyCertSign 0x04, cRLSign 0x02.
  constexpr std::array<std::uint8_t, 2> kSignAndCertify{1, 0x86};
  constexpr std::array<std::uint8_t, 2> kCertify{2, 0x04};
  constexpr std::array<std::uint8_t, 2> kSign{6, 0xC0};
  const std::size_t end = writer.mark();
  switch (kind) {
    case CertificateKind::kRoot:
    case CertificateKind::kAuthority:
      writer.value(der::kBitString, kSignAndCertify);
      return close_extension(writer, end, kKeyUsage, Criticality::kCritical);
    case CertificateKind::kLastAuthority:
      writer.value(der::kBitString, kCertify);
      return close_extension(writer, end, kKeyUsage, Criticality::kCritical);
    case CertificateKind::kLeaf:
      writer.value(der::kBitString, kSign);
      return close_extension(writer, end, kKeyUsage, Criticality::kNotCritical);
  }
}

void write_key_identifiers(DerWriter& writer, const CertificateRequest& request, const P384PublicKey& issuer_key) {
  if (request.kind == CertificateKind::kLeaf) return;  // as AWS's leaves: they stay small
  if (request.kind != CertificateKind::kRoot) {
    const std::size_t end = writer.mark();
    writer.value(der::context(0), key_identifier(issuer_key));
    writer.wrap(der::kSequence, end);
    close_extension(writer, end, kAuthorityKeyIdentifier, Criticality::kNotCritical);
  }
  const std::size_t end = writer.mark();
  writer.value(der::kOctetString, key_identifier(request.subject_key));
  close_extension(writer, end, kSubjectKeyIdentifier, Criticality::kNotCritical);
}

void write_extensions(DerWriter& writer, const CertificateRequest& request, const P384PublicKey& issuer_key) {
  const std::size_t end = writer.mark();
  for (std::size_t i = request.extensions.size(); i-- > 0;) {
    const Extension& extension = request.extensions[i];
    const std::size_t extension_end = writer.mark();
    writer.raw(extension.value);
    close_extension(writer, extension_end, extension.oid, extension.criticality);
  }
  write_key_identifiers(writer, request, issuer_key);
  write_key_usage(writer, request.kind);
  write_basic_constraints(writer, request);
  writer.wrap(der::kSequence, end);
  writer.wrap(der::context_constructed(3), end);
}

void write_to_be_signed(DerWriter& writer, const CertificateRequest& request, const P384PublicKey& issuer_key) {
  constexpr std::uint64_t kVersion3 = 2;
  const std::size_t end = writer.mark();
  write_extensions(writer, request, issuer_key);
  write_public_key(writer, request.subject_key);
  write_name(writer, request.subject);
  const std::size_t validity_end = writer.mark();
  write_time(writer, request.validity.not_after);
  write_time(writer, request.validity.not_before);
  writer.wrap(der::kSequence, validity_end);
  if (request.issuer_der.empty()) {
    write_name(writer, request.issuer);
  } else {
    writer.raw(request.issuer_der);
  }
  write_algorithm(writer);
  writer.integer(request.serial);
  const std::size_t version_end = writer.mark();
  writer.integer(kVersion3);
  writer.wrap(der::context_constructed(0), version_end);
  writer.wrap(der::kSequence, end);
}

base::Status check(const CertificateRequest& request) {
  if (request.serial.empty() || request.serial.size() > kMaxSerial) return base::Error::kInvalidArgument;
  bool positive = false;
  for (const std::uint8_t byte : request.serial) positive = positive || byte != 0;
  if (!positive || (request.serial.size() == kMaxSerial && request.serial.front() >= 0x80)) {
    return base::Error::kInvalidArgument;
  }
  const Validity& validity = request.validity;
  if (validity.not_before > kEndOf9999 || validity.not_after < validity.not_before ||
      (validity.not_after > kEndOf9999 && validity.not_after != kNoExpiry)) {
    return base::Error::kInvalidArgument;
  }
  for (const DistinguishedName& name : {request.issuer, request.subject}) {
    if (name.common_name.size() > kMaxNamePart || name.organization.size() > kMaxNamePart ||
        name.organizational_unit.size() > kMaxNamePart) {
      return base::Error::kTooLarge;
    }
  }
  return {};
}

}  // namespace

KeyIdentifier key_identifier(const P384PublicKey& key) {
  const Digest digest = sha384(key);
  KeyIdentifier identifier{};
  for (std::size_t i = 0; i < identifier.size(); ++i) identifier[i] = digest[i];
  return identifier;
}

base::Result<base::Bytes> write_certificate(const CertificateRequest& request, const P384KeyPair& issuer_key,
                                            base::MutableBytes buffer) {
  MON_TRY(check(request));
  // The body at the end of the buffer gives the digest; then the signature must stand behind it, so the body is
  // moved to the front and the outer structure is written around it.
  DerWriter body_writer(buffer);
  write_to_be_signed(body_writer, request, issuer_key.public_key());
  MON_TRY_ASSIGN(const base::Bytes body_at_end, body_writer.result());
  MON_TRY_ASSIGN(const P384Signature signature, issuer_key.sign(sha384(body_at_end)));

  std::array<std::uint8_t, 144> tail_buffer{};  // algorithm (12) and BIT STRING of two INTEGERs (at most 107)
  DerWriter tail_writer(tail_buffer);
  const base::Bytes raw_signature{signature};
  const std::size_t tail_end = tail_writer.mark();
  tail_writer.integer(raw_signature.subspan(48));
  tail_writer.integer(raw_signature.first(48));
  tail_writer.wrap(der::kSequence, tail_end);
  constexpr std::array<std::uint8_t, 1> kNoUnusedBits{0};
  tail_writer.raw(kNoUnusedBits);
  tail_writer.wrap(der::kBitString, tail_end);
  write_algorithm(tail_writer);
  MON_TRY_ASSIGN(const base::Bytes tail, tail_writer.result());

  std::array<std::uint8_t, 8> head_buffer{};
  const std::size_t content_size = body_at_end.size() + tail.size();
  std::size_t head_size = 0;
  head_buffer[head_size++] = der::kSequence;
  if (content_size > 0xFFFF) return base::Error::kBufferTooSmall;
  if (content_size > 0xFF) {
    head_buffer[head_size++] = 0x82;
    head_buffer[head_size++] = static_cast<std::uint8_t>(content_size >> 8);
  } else if (content_size >= 0x80) {
    head_buffer[head_size++] = 0x81;
  }
  head_buffer[head_size++] = static_cast<std::uint8_t>(content_size);

  if (head_size + content_size > buffer.size()) return base::Error::kBufferTooSmall;
  // Forward copy: the body moves towards the front.
  for (std::size_t i = 0; i < body_at_end.size(); ++i) buffer[head_size + i] = body_at_end[i];
  for (std::size_t i = 0; i < head_size; ++i) buffer[i] = head_buffer[i];
  for (std::size_t i = 0; i < tail.size(); ++i) buffer[head_size + body_at_end.size() + i] = tail[i];
  return base::Bytes{buffer}.first(head_size + content_size);
}

}  // namespace crypto
