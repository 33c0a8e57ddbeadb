#include "firmware/attestation/cbor.hpp"

#include <cbor/callbacks.h>
#include <cbor/encoding.h>
#include <cbor/streaming.h>

#include <array>

namespace attestation {
namespace {

// What libcbor's callbacks leave behind. Exactly one of them runs for each head.
CborItem& item_of(void* context) { return *static_cast<CborItem*>(context); }

void on_unsigned(void* context, std::uint64_t value) { item_of(context) = {CborKind::kUnsigned, {}, value, {}}; }
void on_negative(void* context, std::uint64_t value) { item_of(context) = {CborKind::kNegative, {}, value, {}}; }

constexpr cbor_callbacks kCallbacks{
    .uint8 = [](void* context, std::uint8_t value) { on_unsigned(context, value); },
    .uint16 = [](void* context, std::uint16_t value) { on_unsigned(context, value); },
    .uint32 = [](void* context, std::uint32_t value) { on_unsigned(context, value); },
    .uint64 = on_unsigned,
    .negint64 = on_negative,
    .negint32 = [](void* context, std::uint32_t value) { on_negative(context, value); },
    .negint16 = [](void* context, std::uint16_t value) { on_negative(context, value); },
    .negint8 = [](void* context, std::uint8_t value) { on_negative(context, value); },
    .byte_string_start =
        [](void* context) { item_of(context) = {CborKind::kBytes, CborLength::kIndefinite, 0, {}}; },
    .byte_string =
        [](void* context, cbor_data data, std::uint64_t size) {
          item_of(context) = {CborKind::kBytes, {}, size, {data, static_cast<std::size_t>(size)}};
        },
    .string =
        [](void* context, cbor_data data, std::uint64_t size) {
          item_of(context) = {CborKind::kText, {}, size, {data, static_cast<std::size_t>(size)}};
        },
    .string_start = [](void* context) { item_of(context) = {CborKind::kText, CborLength::kIndefinite, 0, {}}; },
    .indef_array_start = [](void* context) { item_of(context) = {CborKind::kArray, CborLength::kIndefinite, 0, {}}; },
    .array_start = [](void* context, std::uint64_t size) { item_of(context) = {CborKind::kArray, {}, size, {}}; },
    .indef_map_start = [](void* context) { item_of(context) = {CborKind::kMap, CborLength::kIndefinite, 0, {}}; },
    .map_start = [](void* context, std::uint64_t size) { item_of(context) = {CborKind::kMap, {}, size, {}}; },
    .tag = [](void* context, std::uint64_t value) { item_of(context) = {CborKind::kTag, {}, value, {}}; },
    .float2 = [](void* context, float) { item_of(context) = {CborKind::kOther, {}, 0, {}}; },
    .float4 = [](void* context, float) { item_of(context) = {CborKind::kOther, {}, 0, {}}; },
    .float8 = [](void* context, double) { item_of(context) = {CborKind::kOther, {}, 0, {}}; },
    .undefined = [](void* context) { item_of(context) = {CborKind::kOther, {}, 0, {}}; },
    .null = [](void* context) { item_of(context) = {CborKind::kNull, {}, 0, {}}; },
    .boolean =
        [](void* context, bool value) {
          item_of(context) = {value ? CborKind::kTrue : CborKind::kFalse, {}, 0, {}};
        },
    .indef_break = [](void* context) { item_of(context) = {CborKind::kBreak, {}, 0, {}}; },
};

}  // namespace

base::Result<CborItem> CborReader::next() {
  const base::Bytes rest = bytes_.subspan(position_);
  if (rest.empty()) return base::Error::kInvalidArgument;
  // libcbor 0.10 refuses the tags 6 to 20, which had no meaning when it was written; 18 is COSE_Sign1.
  constexpr std::uint8_t kTag6 = 0xC6;
  constexpr std::uint8_t kTag20 = 0xD4;
  if (rest[0] >= kTag6 && rest[0] <= kTag20) {
    ++position_;
    return CborItem{CborKind::kTag, {}, rest[0] & 0x1FU, {}};
  }
  CborItem item;
  const cbor_decoder_result result = cbor_stream_decode(rest.data(), rest.size(), &kCallbacks, &item);
  if (result.status != CBOR_DECODER_FINISHED) return base::Error::kInvalidArgument;
  position_ += result.read;
  return item;
}

base::Result<CborItem> CborReader::expect(CborKind kind) {
  MON_TRY_ASSIGN(const CborItem item, next());
  if (!item.is(kind)) return base::Error::kInvalidArgument;
  return item;
}

base::Status CborReader::skip() {
  MON_TRY_ASSIGN(const CborItem head, next());
  if (head.kind == CborKind::kBreak) return base::Error::kInvalidArgument;
  return skip_rest(head);
}

base::Status CborReader::skip_rest(const CborItem& head) {
  // Items still to come on each open level; an indefinite level ends with a break instead.
  struct Level {
    std::uint64_t left;
    bool indefinite;
    bool map;      // an indefinite map must hold whole pairs
    bool strings;  // chunks of an indefinite string: definite strings of its kind only
    CborKind kind;
  };
  std::array<Level, kMaxDepth> levels{};
  std::size_t depth = 0;
  CborItem item = head;
  while (true) {
    const bool indefinite = item.length == CborLength::kIndefinite;
    const bool string = item.kind == CborKind::kBytes || item.kind == CborKind::kText;
    std::uint64_t content = 0;
    if (item.kind == CborKind::kArray || item.kind == CborKind::kTag) content = item.number;
    if (item.kind == CborKind::kTag) content = 1;
    if (item.kind == CborKind::kMap) {
      if (item.number > UINT64_MAX / 2) return base::Error::kInvalidArgument;
      content = item.number * 2;
    }
    if (indefinite || content != 0) {
      if (depth == kMaxDepth) return base::Error::kInvalidArgument;
      levels[depth++] = {content, indefinite, item.kind == CborKind::kMap, string, item.kind};
    }
    // Close every level that is complete, then read the next head.
    while (depth > 0 && !levels[depth - 1].indefinite && levels[depth - 1].left == 0) --depth;
    if (depth == 0) return {};
    MON_TRY_ASSIGN(item, next());
    Level* level = &levels[depth - 1];
    while (item.kind == CborKind::kBreak) {
      // `left` of an indefinite level counts downwards from 0, so its lowest bit says odd or even.
      if (!level->indefinite || (level->map && (level->left & 1) != 0)) return base::Error::kInvalidArgument;
      --depth;
      while (depth > 0 && !levels[depth - 1].indefinite && levels[depth - 1].left == 0) --depth;
      if (depth == 0) return {};
      level = &levels[depth - 1];
      MON_TRY_ASSIGN(item, next());
    }
    if (level->strings && !item.is(level->kind)) return base::Error::kInvalidArgument;
    --level->left;
  }
}

base::Result<CborItem> CborContainer::next() {
  if (!indefinite_) {
    if (left_ == 0) return CborItem{CborKind::kBreak, {}, 0, {}};
    --left_;
  }
  MON_TRY_ASSIGN(const CborItem item, reader_.next());
  if (item.kind == CborKind::kBreak && !indefinite_) return base::Error::kInvalidArgument;
  return item;
}

void CborWriter::raw(base::Bytes encoded) {
  if (counts_only_) {
    size_ += encoded.size();
    return;
  }
  if (overflow_ || encoded.size() > buffer_.size() - size_) {
    overflow_ = true;
    return;
  }
  for (const std::uint8_t byte : encoded) buffer_[size_++] = byte;
}

namespace {
constexpr std::size_t kMaxHead = 9;
using Head = std::array<std::uint8_t, kMaxHead>;
}  // namespace

void CborWriter::unsigned_number(std::uint64_t value) {
  Head head{};
  raw(base::Bytes{head}.first(cbor_encode_uint(value, head.data(), head.size())));
}

void CborWriter::bytes_head(std::size_t size) {
  Head head{};
  raw(base::Bytes{head}.first(cbor_encode_bytestring_start(size, head.data(), head.size())));
}

void CborWriter::bytes(base::Bytes value) {
  bytes_head(value.size());
  raw(value);
}

void CborWriter::text(std::string_view value) {
  Head head{};
  raw(base::Bytes{head}.first(cbor_encode_string_start(value.size(), head.data(), head.size())));
  raw({reinterpret_cast<const std::uint8_t*>(value.data()), value.size()});
}

void CborWriter::array(std::size_t elements) {
  Head head{};
  raw(base::Bytes{head}.first(cbor_encode_array_start(elements, head.data(), head.size())));
}

void CborWriter::map(std::size_t pairs) {
  Head head{};
  raw(base::Bytes{head}.first(cbor_encode_map_start(pairs, head.data(), head.size())));
}

void CborWriter::truth(bool value) {
  Head head{};
  raw(base::Bytes{head}.first(cbor_encode_bool(value, head.data(), head.size())));
}

void CborWriter::null() {
  Head head{};
  raw(base::Bytes{head}.first(cbor_encode_null(head.data(), head.size())));
}

base::Result<base::Bytes> CborWriter::result() const { return since(0); }

base::Result<base::Bytes> CborWriter::since(std::size_t start) const {
  if (overflow_ || counts_only_) return base::Error::kBufferTooSmall;
  return base::Bytes{buffer_}.subspan(start, size_ - start);
}

}  // namespace attestation
