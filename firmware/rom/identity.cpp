#include "firmware/rom/identity.hpp"

#include <algorithm>

#include "firmware/crypto/secret.hpp"
#include "firmware/crypto/sha384.hpp"

namespace rom {
namespace {

constexpr std::size_t kDigestedSize = kIdentityEncodedSize - 48;

// "i-0123" and NULs: at least one character, all printable, nothing after the first NUL.
bool well_formed(const std::array<char, 32>& device_id) {
  const auto* const end = std::find(device_id.begin(), device_id.end(), '\0');
  const bool printable = std::all_of(device_id.begin(), end, [](char c) { return c > ' ' && c <= '~'; });
  const bool padded = std::all_of(end, device_id.end(), [](char c) { return c == '\0'; });
  return end != device_id.begin() && end != device_id.end() && printable && padded;
}

// One DER SEQUENCE that fills `size` exactly, and zeroes after it.
bool well_formed(const measure::Certificate& certificate) {
  const std::uint32_t size = certificate.size;
  if (size < 260 || size > measure::kMaxCertificateSize) return false;
  const auto& der = certificate.der;
  const bool sequence = der[0] == 0x30 && der[1] == 0x82;
  const std::uint32_t length = std::uint32_t{der[2]} * 256 + der[3];
  const bool padded = std::all_of(der.begin() + size, der.end(), [](std::uint8_t byte) { return byte == 0; });
  return sequence && length + 4 == size && padded;
}

// Fields are read from a span whose size was checked: the reader can't run out.
template <typename T, std::size_t kSize>
base::Result<std::array<T, kSize>> take_array(base::ByteReader& reader) {
  MON_TRY_ASSIGN(const base::Bytes from, reader.take(kSize));
  std::array<T, kSize> to{};
  std::copy(from.begin(), from.end(), to.begin());
  return to;
}

struct Fields {
  std::uint64_t magic{};
  std::uint32_t version{};
  std::uint32_t certificate_count{};
  Identity identity{};
};

base::Result<Fields> read(base::Bytes area) {
  base::ByteReader reader{area};
  Fields fields{};
  Identity& identity = fields.identity;
  MON_TRY_ASSIGN(fields.magic, reader.little_endian<std::uint64_t>());
  MON_TRY_ASSIGN(fields.version, reader.little_endian<std::uint32_t>());
  MON_TRY_ASSIGN(identity.development, reader.little_endian<std::uint32_t>());
  MON_TRY_ASSIGN(identity.minimum_security_version, reader.little_endian<std::uint32_t>());
  MON_TRY_ASSIGN(fields.certificate_count, reader.little_endian<std::uint32_t>());
  MON_TRY_ASSIGN(identity.device_id, (take_array<char, 32>(reader)));
  MON_TRY_ASSIGN(identity.uds, (take_array<std::uint8_t, 48>(reader)));
  MON_TRY_ASSIGN(identity.signer_digest, (take_array<std::uint8_t, 48>(reader)));
  for (measure::Certificate& certificate : identity.certificates) {
    MON_TRY_ASSIGN(certificate.size, reader.little_endian<std::uint32_t>());
    MON_TRY_ASSIGN(certificate.der, (take_array<std::uint8_t, measure::kMaxCertificateSize>(reader)));
  }
  return fields;
}

IdentityVerdict check_fields(const Identity& identity) {
  if (identity.development > 1) return IdentityVerdict::kWrongDevelopmentFlag;
  if (!well_formed(identity.device_id)) return IdentityVerdict::kWrongDeviceId;
  for (const measure::Certificate& certificate : identity.certificates) {
    if (!well_formed(certificate)) return IdentityVerdict::kWrongCertificate;
  }
  const auto same = [&identity](std::uint8_t byte) { return byte == identity.uds[0]; };
  if (std::all_of(identity.uds.begin(), identity.uds.end(), same)) return IdentityVerdict::kEmptySecret;
  return IdentityVerdict::kAccepted;
}

IdentityVerdict check(base::Bytes area, const Fields& fields) {
  if (fields.magic != kIdentityMagic) return IdentityVerdict::kWrongMagic;
  if (fields.version != kIdentityVersion) return IdentityVerdict::kWrongVersion;
  const crypto::Digest digest = crypto::sha384(area.first(kDigestedSize));
  if (!std::equal(digest.begin(), digest.end(), area.begin() + kDigestedSize)) return IdentityVerdict::kDamaged;
  if (fields.certificate_count != kIdentityCertificates) return IdentityVerdict::kWrongCertificateCount;
  return check_fields(fields.identity);
}

}  // namespace

std::string_view describe(IdentityVerdict verdict) {
  switch (verdict) {
    case IdentityVerdict::kAccepted: return "accepted";
    case IdentityVerdict::kTooShort: return "the identity area is shorter than an identity";
    case IdentityVerdict::kWrongMagic: return "the identity area holds no identity: the device was never provisioned";
    case IdentityVerdict::kWrongVersion: return "the identity has a format version that this ROM does not know";
    case IdentityVerdict::kDamaged: return "the identity is damaged: its digest does not match";
    case IdentityVerdict::kWrongDevelopmentFlag: return "the identity's development flag is neither 0 nor 1";
    case IdentityVerdict::kWrongCertificateCount: return "the identity does not hold three certificates";
    case IdentityVerdict::kWrongDeviceId: return "the identity's device id is not printable text";
    case IdentityVerdict::kWrongCertificate: return "a certificate of the identity is not one DER sequence";
    case IdentityVerdict::kEmptySecret: return "the identity's device secret is blank";
  }
  return "unknown";
}

ParsedIdentity parse_identity(base::Bytes area) {
  if (area.size() < kIdentityEncodedSize) return {IdentityVerdict::kTooShort, {}};
  base::Result<Fields> fields = read(area);
  if (!fields.ok()) return {IdentityVerdict::kTooShort, {}};
  const crypto::WipeOnExit wipe{*fields};
  const IdentityVerdict verdict = check(area, *fields);
  if (verdict != IdentityVerdict::kAccepted) return {verdict, {}};
  return {verdict, fields->identity};
}

base::Result<std::array<std::uint8_t, kIdentityEncodedSize>> encode_identity(const Identity& identity) {
  if (check_fields(identity) != IdentityVerdict::kAccepted) return base::Error::kInvalidArgument;
  std::array<std::uint8_t, kIdentityEncodedSize> bytes{};
  base::ByteWriter writer{bytes};
  MON_TRY(writer.little_endian(kIdentityMagic));
  MON_TRY(writer.little_endian(kIdentityVersion));
  MON_TRY(writer.little_endian(identity.development));
  MON_TRY(writer.little_endian(identity.minimum_security_version));
  MON_TRY(writer.little_endian(kIdentityCertificates));
  for (const char character : identity.device_id) MON_TRY(writer.little_endian(static_cast<std::uint8_t>(character)));
  MON_TRY(writer.put(identity.uds));
  MON_TRY(writer.put(identity.signer_digest));
  for (const measure::Certificate& certificate : identity.certificates) {
    MON_TRY(writer.little_endian(certificate.size));
    MON_TRY(writer.put(certificate.der));
  }
  MON_TRY(writer.put(crypto::sha384(writer.written())));
  return bytes;
}

}  // namespace rom
