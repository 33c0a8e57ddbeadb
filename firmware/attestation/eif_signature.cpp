#include "firmware/attestation/eif_signature.hpp"

#include "firmware/attestation/cbor.hpp"
#include "firmware/attestation/cose_sign1.hpp"
#include "firmware/crypto/certificate_view.hpp"

namespace attestation {
namespace {

using base::Error;
using base::Result;

// An array of numbers below 256, as bytes at the front of `room`, which becomes smaller by them. Errors: kBadImage.
Result<base::Bytes> bytes_as_numbers(CborReader& reader, base::MutableBytes& room) {
  const auto head = reader.expect(CborKind::kArray);
  if (!head.ok() || head.value().number > room.size()) return Error::kBadImage;
  const auto count = static_cast<std::size_t>(head.value().number);
  const base::MutableBytes bytes = room.first(count);
  for (std::uint8_t& byte : bytes) {
    const auto number = reader.expect(CborKind::kUnsigned);
    if (!number.ok() || number.value().number > 0xff) return Error::kBadImage;
    byte = static_cast<std::uint8_t>(number.value().number);
  }
  room = room.subspan(count);
  return base::Bytes(bytes);
}

struct SignedRegister {
  base::Bytes pem;
  base::Bytes cose;
};

Result<SignedRegister> read_element(CborReader& reader, base::MutableBytes& room) {
  const auto map = reader.expect(CborKind::kMap);
  if (!map.ok() || map.value().number != 2) return Error::kBadImage;
  SignedRegister element;
  for (int i = 0; i < 2; ++i) {
    const auto key = reader.expect(CborKind::kText);
    if (!key.ok()) return Error::kBadImage;
    if (key.value().is_text("signing_certificate") && element.pem.empty()) {
      MON_TRY_ASSIGN(element.pem, bytes_as_numbers(reader, room));
    } else if (key.value().is_text("signature") && element.cose.empty()) {
      MON_TRY_ASSIGN(element.cose, bytes_as_numbers(reader, room));
    } else {
      return Error::kBadImage;
    }
  }
  if (element.pem.empty() || element.cose.empty()) return Error::kBadImage;
  return element;
}

// The first element; the others only have its form.
Result<SignedRegister> read_section(base::Bytes bytes, base::MutableBytes room) {
  CborReader reader(bytes);
  const auto list = reader.expect(CborKind::kArray);
  if (!list.ok() || list.value().number == 0) return Error::kBadImage;
  MON_TRY_ASSIGN(const SignedRegister first, read_element(reader, room));
  for (std::uint64_t i = 1; i < list.value().number; ++i) {  // each has bytes, so the section bounds this
    if (!read_element(reader, room).ok()) return Error::kBadImage;
  }
  if (!reader.at_end()) return Error::kBadImage;
  return first;
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
      base::MutableBytes room{value};
      const auto bytes = bytes_as_numbers(reader, room);
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
                                            std::uint64_t unix_seconds, SignatureScratch& scratch) {
  MON_TRY_ASSIGN(const SignedRegister section, read_section(section_bytes, scratch.numbers));
  const auto der = crypto::pem_to_der(section.pem, scratch.der);
  if (!der.ok()) return Error::kBadImage;
  const auto signer = crypto::read_signer(der.value());
  if (!signer.ok()) return signer.error() == Error::kInternal ? Error::kInternal : Error::kBadImage;
  const auto message = read_cose_sign1(section.cose);
  if (!message.ok()) return Error::kBadImage;

  if (!names_register(message.value().payload, pcr0)) return Error::kBadSignature;
  const base::Status verified =
      verify_cose_sign1(message.value(), signer.value().curve, signer.value().public_key());
  if (!verified.ok()) return verified.error() == Error::kInternal ? Error::kInternal : Error::kBadSignature;
  if (!signer.value().valid_at(unix_seconds)) return Error::kOutOfRange;
  return crypto::sha384(der.value());
}

}  // namespace attestation
