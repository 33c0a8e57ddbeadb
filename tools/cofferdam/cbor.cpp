#include "tools/cofferdam/cbor.hpp"

#include <cbor.h>

namespace cofferdam {

constexpr int kMaxDepth = 8;  // a document nests four deep

CborError::CborError(const std::string& what, std::size_t offset)
    : std::runtime_error(what + " (at byte " + std::to_string(offset) + ")") {}

// One decoded head, and for a string its content.
struct CborReader::Item {
  CborKind kind{CborKind::kOther};
  bool indefinite{false};
  bool is_break{false};
  std::uint64_t value{0};  // an integer, a length, a tag
  ByteView content;
  std::size_t size{0};     // bytes that the item takes in the input
};

CborReader::Item CborReader::decode() const {
  if (at_end()) fail("the data ends where an item should begin");
  Item item;
  const std::uint8_t initial = bytes_[offset_];
  if (initial >= 0xc0 && initial <= 0xd7) {  // tags below 24 in one byte; libcbor 0.10 refuses most of them
    item.kind = CborKind::kTag;
    item.value = initial - 0xc0U;
    item.size = 1;
    return item;
  }
  cbor_callbacks callbacks = cbor_empty_callbacks;
  const auto set = [](void* context, CborKind kind, std::uint64_t value) {
    auto& target = *static_cast<Item*>(context);
    target.kind = kind;
    target.value = value;
  };
  static constexpr auto kSet = set;
  callbacks.uint8 = [](void* c, std::uint8_t v) { kSet(c, CborKind::kUnsigned, v); };
  callbacks.uint16 = [](void* c, std::uint16_t v) { kSet(c, CborKind::kUnsigned, v); };
  callbacks.uint32 = [](void* c, std::uint32_t v) { kSet(c, CborKind::kUnsigned, v); };
  callbacks.uint64 = [](void* c, std::uint64_t v) { kSet(c, CborKind::kUnsigned, v); };
  callbacks.negint8 = [](void* c, std::uint8_t v) { kSet(c, CborKind::kNegative, v); };
  callbacks.negint16 = [](void* c, std::uint16_t v) { kSet(c, CborKind::kNegative, v); };
  callbacks.negint32 = [](void* c, std::uint32_t v) { kSet(c, CborKind::kNegative, v); };
  callbacks.negint64 = [](void* c, std::uint64_t v) { kSet(c, CborKind::kNegative, v); };
  callbacks.byte_string = [](void* c, cbor_data data, std::uint64_t length) {
    kSet(c, CborKind::kBytes, length);
    static_cast<Item*>(c)->content = {data, static_cast<std::size_t>(length)};
  };
  callbacks.string = [](void* c, cbor_data data, std::uint64_t length) {
    kSet(c, CborKind::kText, length);
    static_cast<Item*>(c)->content = {data, static_cast<std::size_t>(length)};
  };
  static constexpr auto kIndefinite = [](void* c, CborKind kind) {
    kSet(c, kind, 0);
    static_cast<Item*>(c)->indefinite = true;
  };
  callbacks.byte_string_start = [](void* c) { kIndefinite(c, CborKind::kBytes); };
  callbacks.string_start = [](void* c) { kIndefinite(c, CborKind::kText); };
  callbacks.array_start = [](void* c, std::uint64_t v) { kSet(c, CborKind::kArray, v); };
  callbacks.indef_array_start = [](void* c) { kIndefinite(c, CborKind::kArray); };
  callbacks.map_start = [](void* c, std::uint64_t v) { kSet(c, CborKind::kMap, v); };
  callbacks.indef_map_start = [](void* c) { kIndefinite(c, CborKind::kMap); };
  callbacks.tag = [](void* c, std::uint64_t v) { kSet(c, CborKind::kTag, v); };
  callbacks.null = [](void* c) { kSet(c, CborKind::kNull, 0); };
  callbacks.boolean = [](void* c, bool v) { kSet(c, CborKind::kBool, v ? 1 : 0); };
  callbacks.indef_break = [](void* c) { static_cast<Item*>(c)->is_break = true; };

  const cbor_decoder_result result =
      cbor_stream_decode(bytes_.data() + offset_, bytes_.size() - offset_, &callbacks, &item);
  if (result.status == CBOR_DECODER_NEDATA) fail("an item is cut off");
  if (result.status != CBOR_DECODER_FINISHED) fail("a reserved or unsupported encoding");
  item.size = result.read;
  return item;
}

CborReader::Item CborReader::take() {
  const Item item = decode();
  if (item.is_break) fail("a break outside an indefinite array or map");
  if (item.indefinite && (item.kind == CborKind::kBytes || item.kind == CborKind::kText)) {
    fail("a string of indefinite length");
  }
  offset_ += item.size;
  return item;
}

CborKind CborReader::peek() const {
  const Item item = decode();
  if (item.is_break) fail("a break outside an indefinite array or map");
  return item.kind;
}

std::uint64_t CborReader::unsigned_integer() {
  if (peek() != CborKind::kUnsigned) fail("expected an unsigned integer");
  return take().value;
}

std::int64_t CborReader::integer() {
  const CborKind kind = peek();
  if (kind != CborKind::kUnsigned && kind != CborKind::kNegative) fail("expected an integer");
  const Item item = decode();
  if (item.value > static_cast<std::uint64_t>(INT64_MAX)) fail("an integer out of range");
  offset_ += item.size;
  const auto value = static_cast<std::int64_t>(item.value);
  return kind == CborKind::kUnsigned ? value : -1 - value;
}

ByteView CborReader::byte_string() {
  if (peek() != CborKind::kBytes) fail("expected a byte string");
  return take().content;
}

std::string CborReader::text() {
  if (peek() != CborKind::kText) fail("expected a text string");
  const Item item = take();
  if (!is_valid_utf8(item.content)) fail("a text string that is not UTF-8");
  return std::string(as_text(item.content));
}

std::uint64_t CborReader::tag() {
  if (peek() != CborKind::kTag) fail("expected a tag");
  return take().value;
}

void CborReader::null() {
  if (peek() != CborKind::kNull) fail("expected null");
  (void)take();
}

void CborReader::items(const Item& head, std::size_t most, const std::function<void(std::size_t)>& each) {
  if (!head.indefinite && head.value > most) fail("more elements than can be meant");
  for (std::size_t i = 0; head.indefinite || i < head.value; ++i) {
    if (head.indefinite) {
      const Item next = decode();
      if (next.is_break) {
        offset_ += next.size;
        return;
      }
      if (i == most) fail("more elements than can be meant");
    }
    each(i);
  }
}

void CborReader::array(std::size_t most, const std::function<void(std::size_t)>& element) {
  if (peek() != CborKind::kArray) fail("expected an array");
  items(take(), most, element);
}

void CborReader::map(std::size_t most, const std::function<void(std::size_t)>& pair) {
  if (peek() != CborKind::kMap) fail("expected a map");
  items(take(), most, pair);
}

void CborReader::skip() { skip(0); }

void CborReader::skip(int depth) {
  if (depth == kMaxDepth) fail("nested too deeply");
  const Item head = take();
  // Every element takes at least one byte, so the input's size bounds the loops.
  switch (head.kind) {
    case CborKind::kArray:
      items(head, bytes_.size(), [&](std::size_t) { skip(depth + 1); });
      break;
    case CborKind::kMap:
      items(head, bytes_.size(), [&](std::size_t) {
        skip(depth + 1);
        skip(depth + 1);
      });
      break;
    case CborKind::kTag: skip(depth + 1); break;
    case CborKind::kUnsigned:
    case CborKind::kNegative:
    case CborKind::kBytes:
    case CborKind::kText:
    case CborKind::kBool:
    case CborKind::kNull:
    case CborKind::kOther: break;
  }
}

void CborReader::fail(const std::string& what) const { throw CborError(what, offset_); }

void CborWriter::head(unsigned major, std::uint64_t value) {
  const auto initial = static_cast<std::uint8_t>(major << 5);
  std::size_t width = 0;
  if (value < 24) {
    out_.push_back(static_cast<std::uint8_t>(initial | value));
    return;
  }
  std::uint8_t information = 24;
  for (width = 1; width < 8 && (value >> (8 * width)) != 0; width *= 2) ++information;
  out_.push_back(static_cast<std::uint8_t>(initial | information));
  for (std::size_t i = width; i-- > 0;) out_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void CborWriter::bytes(ByteView value) {
  head(2, value.size());
  out_.insert(out_.end(), value.begin(), value.end());
}

void CborWriter::text(std::string_view value) {
  head(3, value.size());
  const ByteView content = as_bytes(value);
  out_.insert(out_.end(), content.begin(), content.end());
}

}  // namespace cofferdam
