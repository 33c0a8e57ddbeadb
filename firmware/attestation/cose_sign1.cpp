#include "firmware/attestation/cose_sign1.hpp"

#include <array>

namespace attestation {
namespace {

constexpr std::size_t kBytesHead2 = 2;  // 58 60

std::size_t bytes_head_size(std::size_t size) {
  CborWriter counter = CborWriter::counter();
  counter.bytes_head(size);
  return counter.size();
}

// Sig_structure (RFC 9052 4.4): ["Signature1", protected, external_aad = h'', payload], without the payload's bytes.
struct SigStructureHead {
  static constexpr std::size_t kMaxProtected = 32;
  std::array<std::uint8_t, 1 + 11 + 2 + kMaxProtected + 1 + 9> buffer{};
  std::size_t size{};
  [[nodiscard]] base::Bytes view() const { return base::Bytes{buffer}.first(size); }
};

base::Result<SigStructureHead> sig_structure_head(base::Bytes protected_header, std::size_t payload_size) {
  SigStructureHead head;
  CborWriter writer{head.buffer};
  writer.array(4);
  writer.text("Signature1");
  writer.bytes(protected_header);
  writer.bytes({});
  writer.bytes_head(payload_size);
  MON_TRY_ASSIGN(const base::Bytes written, writer.result());
  head.size = written.size();
  return head;
}

base::Result<std::int64_t> read_algorithm(base::Bytes protected_header) {
  CborReader reader(protected_header);
  MON_TRY_ASSIGN(const CborItem map, reader.expect(CborKind::kMap));
  if (map.number != 1) return base::Error::kInvalidArgument;
  MON_TRY_ASSIGN(const CborItem label, reader.expect(CborKind::kUnsigned));
  constexpr std::uint64_t kAlgorithmLabel = 1;
  if (label.number != kAlgorithmLabel) return base::Error::kInvalidArgument;
  MON_TRY_ASSIGN(const CborItem value, reader.expect(CborKind::kNegative));
  if (value.number > INT32_MAX || !reader.at_end()) return base::Error::kInvalidArgument;
  return -1 - static_cast<std::int64_t>(value.number);
}

std::int64_t algorithm_of(crypto::Curve curve) {  // RFC 9053 section 2.1
  switch (curve) {
    case crypto::Curve::kP256: return -7;
    case crypto::Curve::kP384: return -35;
    case crypto::Curve::kP521: return -36;
  }
  return 0;
}

}  // namespace

std::size_t cose_sign1_size(std::size_t payload_size) {
  constexpr std::size_t kFixed = 1 + 1 + kEs384Header.size() + 1;  // array, protected, unprotected
  return kFixed + bytes_head_size(payload_size) + payload_size + kBytesHead2 + sizeof(crypto::P384Signature);
}

void begin_cose_sign1(CborWriter& writer, std::size_t payload_size) {
  writer.array(4);
  writer.bytes(kEs384Header);
  writer.map(0);
  writer.bytes_head(payload_size);
}

base::Status finish_cose_sign1(CborWriter& writer, std::size_t payload_size, const crypto::P384KeyPair& key) {
  MON_TRY_ASSIGN(const base::Bytes payload, writer.since(writer.size() - payload_size));
  MON_TRY_ASSIGN(const SigStructureHead head, sig_structure_head(kEs384Header, payload_size));
  crypto::Sha384 hash;
  hash.update(head.view());
  hash.update(payload);
  MON_TRY_ASSIGN(const crypto::P384Signature signature, key.sign(hash.finish()));
  writer.bytes(signature);
  const auto whole = writer.result();
  if (!whole.ok()) return whole.error();
  return {};
}

base::Result<CoseSign1> read_cose_sign1(base::Bytes message) {
  constexpr std::uint64_t kCoseSign1Tag = 18;
  CborReader reader(message);
  MON_TRY_ASSIGN(CborItem head, reader.next());
  if (head.kind == CborKind::kTag && head.number == kCoseSign1Tag) {
    MON_TRY_ASSIGN(head, reader.next());
  }
  if (!head.is(CborKind::kArray) || head.number != 4) return base::Error::kInvalidArgument;
  CoseSign1 result;
  MON_TRY_ASSIGN(const CborItem protected_header, reader.expect(CborKind::kBytes));
  MON_TRY_ASSIGN(const CborItem unprotected, reader.next());
  if (unprotected.kind != CborKind::kMap) return base::Error::kInvalidArgument;
  MON_TRY(reader.skip_rest(unprotected));
  MON_TRY_ASSIGN(const CborItem payload, reader.expect(CborKind::kBytes));
  MON_TRY_ASSIGN(const CborItem signature, reader.expect(CborKind::kBytes));
  if (!reader.at_end()) return base::Error::kInvalidArgument;
  result.protected_header = protected_header.bytes;
  MON_TRY_ASSIGN(result.algorithm, read_algorithm(protected_header.bytes));
  result.payload = payload.bytes;
  result.signature = signature.bytes;
  return result;
}

base::Status verify_cose_sign1(const CoseSign1& message, crypto::Curve curve, base::Bytes point) {
  if (message.algorithm != algorithm_of(curve)) return base::Error::kInvalidArgument;
  const auto head = sig_structure_head(message.protected_header, message.payload.size());
  if (!head.ok()) return base::Error::kInvalidArgument;
  return crypto::verify(curve, crypto::usual_hash(curve), point, {head.value().view(), message.payload},
                        message.signature);
}

}  // namespace attestation
