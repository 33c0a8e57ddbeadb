#include "firmware/attestation/eif_signature.hpp"

#include <array>

#include "firmware/attestation/cbor.hpp"
#include "firmware/attestation/cose_sign1.hpp"

namespace attestation {
namespace {

using base::Error;
using base::Result;

// What the section and its certificate are unpacked into.
struct Scratch {
  std::array<std::uint8_t, kMaxSignerPem> pem;
  std::array<std::uint8_t, crypto::kMaxCertificateSize> der;
  std::array<std::uint8_t, kMaxSignerCose> cose;
};

// An array of numbers below 256, as bytes at the front of `out`. Errors: kBadImage.
Result<base::Bytes> bytes_as_numbers(CborReader& reader, base::MutableBytes out) {
  const auto head = reader.expect(CborKind::kArray);
  if (!head.ok() || head.value().number > out.size()) return Error::kBadImage;
  const auto count = static_cast<std::size_t>(head.value().number);
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = reader.expect(CborKind::kUnsigned);
    if (!number.ok() || number.value().number > 0xff) return Error::kBadImage;
    out[i] = static_cast<std::uint8_t>(number.value().number);
  }
  return base::Bytes(out).first(count);
}

struct Section {
  base::Bytes pem;
  base::Bytes cose;
};

Result<Section> read_section(base::Bytes bytes, Scratch& scratch) {
  CborReader reader(bytes);
  const auto list = reader.expect(CborKind::kArray);
  if (!list.ok() || list.value().number != 1) return Error::kBadImage;
  const auto map = reader.expect(CborKind::kMap);
  if (!map.ok() || map.value().number != 2) return Error::kBadImage;
  Section section;
  for (int i = 0; i < 2; ++i) {
    const auto key = reader.expect(CborKind::kText);
    if (!key.ok()) return Error::kBadImage;
    if (key.value().is_text("signing_certificate") && section.pem.empty()) {
      MON_TRY_ASSIGN(section.pem, bytes_as_numbers(reader, scratch.pem));
    } else if (key.value().is_text("signature") && section.cose.empty()) {
      MON_TRY_ASSIGN(section.cose, bytes_as_numbers(reader, scratch.cose));
    } else {
      return Error::kBadImage;
    }
  }
  if (section.pem.empty() || section.cose.empty() || !reader.at_end()) return Error::kBadImage;
  return section;
}

// Whether the payload says register 0 with this value, and nothing else.
bool names_register(base::Bytes payload, const crypto::Digest& pcr0) {
  CborReader reader(payload);
  const auto map = reader.expect(CborKind::kMap);
  if (!map.ok() || map.value().number != 2) return false;
  bool index_seen = false;
  bool value_seen = false;
  for (int i = 0; i < 2; ++i) {
    const auto key = reader.expect(CborKind::kText);
    if (!key.ok()) return false;
    if (key.value().is_text("register_index") && !index_seen) {
      const auto index = reader.expect(CborKind::kUnsigned);
      if (!index.ok() || index.value().number != 0) return false;
      index_seen = true;
    } else if (key.value().is_text("register_value") && !value_seen) {
      crypto::Digest value{};
      const auto bytes = bytes_as_numbers(reader, value);
      if (!bytes.ok() || bytes.value().size() != value.size() || value != pcr0) return false;
      value_seen = true;
    } else {
      return false;
    }
  }
  return index_seen && value_seen && reader.at_end();
}

}  // namespace

Result<crypto::Digest> verify_eif_signature(base::Bytes section_bytes, const crypto::Digest& pcr0,
                                            std::uint64_t unix_seconds) {
  Scratch scratch;
  MON_TRY_ASSIGN(const Section section, read_section(section_bytes, scratch));
  const auto der = crypto::pem_to_der(section.pem, scratch.der);
  if (!der.ok()) return Error::kBadImage;
  const auto certificate = crypto::read_certificate(der.value());
  if (!certificate.ok()) return certificate.error() == Error::kInternal ? Error::kInternal : Error::kBadImage;
  const auto message = read_cose_sign1(section.cose);
  if (!message.ok()) return Error::kBadImage;

  if (!names_register(message.value().payload, pcr0)) return Error::kBadSignature;
  const base::Status verified =
      verify_cose_sign1(message.value(), certificate.value().curve, certificate.value().public_key());
  if (!verified.ok()) return verified.error() == Error::kInternal ? Error::kInternal : Error::kBadSignature;
  if (!certificate.value().valid_at(unix_seconds)) return Error::kOutOfRange;
  return crypto::sha384(der.value());
}

}  // namespace attestation
