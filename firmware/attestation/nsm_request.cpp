#include "firmware/attestation/nsm_request.hpp"

#include <string_view>

#include "firmware/attestation/cbor.hpp"

namespace attestation {
namespace {

constexpr base::Error kMalformed = base::Error::kNoSuchCall;

struct OperationName {
  std::string_view name;
  NsmOperation operation;
};
constexpr OperationName kOperations[] = {
    {"DescribePCR", NsmOperation::kDescribePcr}, {"ExtendPCR", NsmOperation::kExtendPcr},
    {"LockPCR", NsmOperation::kLockPcr},         {"LockPCRs", NsmOperation::kLockPcrs},
    {"DescribeNSM", NsmOperation::kDescribeNsm}, {"Attestation", NsmOperation::kAttestation},
    {"GetRandom", NsmOperation::kGetRandom},
};

base::Result<NsmOperation> operation_of(const CborItem& name) {
  for (const OperationName& entry : kOperations) {
    if (name.is_text(entry.name)) return entry.operation;
  }
  return kMalformed;
}

// Every field of every request; those that an operation does not have are unknown keys to it.
enum class Field : std::uint8_t { kIndex, kRange, kData, kUserData, kNonce, kPublicKey, kUnknown };

Field field_of(NsmOperation operation, const CborItem& key) {
  switch (operation) {
    case NsmOperation::kDescribePcr:
    case NsmOperation::kLockPcr: return key.is_text("index") ? Field::kIndex : Field::kUnknown;
    case NsmOperation::kExtendPcr:
      if (key.is_text("index")) return Field::kIndex;
      return key.is_text("data") ? Field::kData : Field::kUnknown;
    case NsmOperation::kLockPcrs: return key.is_text("range") ? Field::kRange : Field::kUnknown;
    case NsmOperation::kAttestation:
      if (key.is_text("user_data")) return Field::kUserData;
      if (key.is_text("nonce")) return Field::kNonce;
      return key.is_text("public_key") ? Field::kPublicKey : Field::kUnknown;
    case NsmOperation::kDescribeNsm:
    case NsmOperation::kGetRandom: return Field::kUnknown;
  }
  return Field::kUnknown;
}

// Fields that the operation can't do without, as a mask of 1 << Field.
constexpr std::uint32_t bit(Field field) { return std::uint32_t{1} << static_cast<std::uint32_t>(field); }
std::uint32_t required_fields(NsmOperation operation) {
  switch (operation) {
    case NsmOperation::kDescribePcr:
    case NsmOperation::kLockPcr: return bit(Field::kIndex);
    case NsmOperation::kExtendPcr: return bit(Field::kIndex) | bit(Field::kData);
    case NsmOperation::kLockPcrs: return bit(Field::kRange);
    case NsmOperation::kDescribeNsm:
    case NsmOperation::kAttestation:
    case NsmOperation::kGetRandom: return 0;
  }
  return 0;
}

base::Result<std::uint32_t> read_index(CborReader& reader) {
  MON_TRY_ASSIGN(const CborItem item, reader.next());
  if (!item.is(CborKind::kUnsigned) || item.number > UINT16_MAX) return kMalformed;
  return static_cast<std::uint32_t>(item.number);
}

base::Result<base::Bytes> read_bytes(const CborItem& item) {
  if (!item.is(CborKind::kBytes) && !item.is(CborKind::kText)) return kMalformed;
  return item.bytes;
}

base::Result<std::optional<base::Bytes>> read_optional_bytes(CborReader& reader) {
  MON_TRY_ASSIGN(const CborItem item, reader.next());
  if (item.kind == CborKind::kNull) return std::optional<base::Bytes>{};
  MON_TRY_ASSIGN(const base::Bytes bytes, read_bytes(item));
  return std::optional<base::Bytes>{bytes};
}

base::Result<NsmRequest> read_fields(CborReader& reader, const CborItem& head, NsmOperation operation) {
  NsmRequest request{};
  request.operation = operation;
  std::uint32_t seen = 0;
  CborContainer pairs(reader, head);
  while (true) {
    MON_TRY_ASSIGN(const CborItem key, pairs.next());
    if (key.kind == CborKind::kBreak) break;
    const Field field = field_of(operation, key);
    if (field != Field::kUnknown && (seen & bit(field)) != 0) return kMalformed;
    seen |= bit(field);
    switch (field) {
      case Field::kIndex:
      case Field::kRange: {
        MON_TRY_ASSIGN(request.index, read_index(reader));
        break;
      }
      case Field::kData: {
        MON_TRY_ASSIGN(const CborItem item, reader.next());
        MON_TRY_ASSIGN(request.data, read_bytes(item));
        break;
      }
      case Field::kUserData: {
        MON_TRY_ASSIGN(request.user_data, read_optional_bytes(reader));
        break;
      }
      case Field::kNonce: {
        MON_TRY_ASSIGN(request.nonce, read_optional_bytes(reader));
        break;
      }
      case Field::kPublicKey: {
        MON_TRY_ASSIGN(request.public_key, read_optional_bytes(reader));
        break;
      }
      case Field::kUnknown: {
        MON_TRY(reader.skip_rest(key));
        MON_TRY(reader.skip());
        break;
      }
    }
  }
  const std::uint32_t required = required_fields(operation);
  if ((seen & required) != required) return kMalformed;
  return request;
}

base::Result<NsmRequest> decode(CborReader& reader) {
  MON_TRY_ASSIGN(const CborItem head, reader.next());
  if (head.is(CborKind::kText)) {
    MON_TRY_ASSIGN(const NsmOperation operation, operation_of(head));
    if (operation != NsmOperation::kGetRandom && operation != NsmOperation::kDescribeNsm) return kMalformed;
    NsmRequest request{};
    request.operation = operation;
    return request;
  }
  if (!head.is(CborKind::kMap) || head.number != 1) return kMalformed;
  MON_TRY_ASSIGN(const CborItem name, reader.next());
  MON_TRY_ASSIGN(const NsmOperation operation, operation_of(name));
  MON_TRY_ASSIGN(const CborItem value, reader.next());
  if (operation == NsmOperation::kGetRandom || operation == NsmOperation::kDescribeNsm) {
    if (value.kind != CborKind::kNull) return kMalformed;
    NsmRequest request{};
    request.operation = operation;
    return request;
  }
  if (value.kind != CborKind::kMap) return kMalformed;
  return read_fields(reader, value, operation);
}

}  // namespace

base::Result<NsmRequest> decode_nsm_request(base::Bytes request) {
  CborReader reader(request);
  const base::Result<NsmRequest> decoded = decode(reader);
  // Whatever was wrong, there is one answer for it.
  if (!decoded.ok()) return kMalformed;
  return decoded;
}

}  // namespace attestation
