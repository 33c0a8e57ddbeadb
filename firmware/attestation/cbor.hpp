// Reading and writing CBOR (RFC 8949) in place: no heap, no tree, every length checked against what is there.
//
// The bytes are libcbor's business (its streaming decoder and its encoders); this file gives them bounds and types.
// Reserved additional information, truncated items and lengths beyond the input are refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"

namespace attestation {

enum class CborKind : std::uint8_t {
  kUnsigned,  // number
  kNegative,  // -1 - number
  kBytes,     // bytes
  kText,      // bytes; not checked to be UTF-8
  kArray,     // number elements, or until kBreak
  kMap,       // number pairs, or until kBreak
  kTag,       // number; the tagged item follows
  kTrue,
  kFalse,
  kNull,
  kBreak,     // end of an item of indefinite length
  kOther,     // undefined, floating point
};

enum class CborLength : std::uint8_t { kDefinite, kIndefinite };

struct CborItem {
  CborKind kind{};
  CborLength length{CborLength::kDefinite};  // indefinite byte and text strings: chunks follow, `bytes` is empty
  std::uint64_t number{};
  base::Bytes bytes;

  [[nodiscard]] bool is(CborKind wanted) const { return kind == wanted && length == CborLength::kDefinite; }
  [[nodiscard]] bool is_text(std::string_view wanted) const {
    return is(CborKind::kText) &&
           std::string_view{reinterpret_cast<const char*>(bytes.data()), bytes.size()} == wanted;
  }
};

class CborReader {
 public:
  static constexpr std::size_t kMaxDepth = 8;  // nesting that skip() follows; documents and requests need 3

  explicit CborReader(base::Bytes bytes) : bytes_(bytes) {}

  // The next head, with its content if it is a string. Errors: kInvalidArgument (malformed or cut short).
  [[nodiscard]] base::Result<CborItem> next();
  // The next item, which must be of this kind and of definite length. Errors: kInvalidArgument.
  [[nodiscard]] base::Result<CborItem> expect(CborKind kind);
  // Passes over one whole item, whatever it holds. Work is linear in its bytes. Errors: kInvalidArgument
  // (malformed, too deep).
  [[nodiscard]] base::Status skip();
  // Passes over the rest of an item whose head was just read by next().
  [[nodiscard]] base::Status skip_rest(const CborItem& head);

  [[nodiscard]] bool at_end() const { return position_ == bytes_.size(); }
  [[nodiscard]] std::size_t position() const { return position_; }
  [[nodiscard]] base::Bytes since(std::size_t start) const { return bytes_.subspan(start, position_ - start); }

 private:
  base::Bytes bytes_;
  std::size_t position_{0};
};

// Counts the elements of an array or the pairs of a map as they are read, for both forms of length.
class CborContainer {
 public:
  CborContainer(CborReader& reader, const CborItem& head)
      : reader_(reader), left_(head.number), indefinite_(head.length == CborLength::kIndefinite) {}
  // The head of the next element (of a map: of the next key), or kBreak once after the last.
  [[nodiscard]] base::Result<CborItem> next();

 private:
  CborReader& reader_;
  std::uint64_t left_;
  bool indefinite_;
};

// Shortest forms and definite lengths only. An overflow sticks; without a buffer it only counts.
class CborWriter {
 public:
  explicit CborWriter(base::MutableBytes buffer) : buffer_(buffer), counts_only_(false) {}
  [[nodiscard]] static CborWriter counter() { return CborWriter(); }

  void unsigned_number(std::uint64_t value);
  void bytes(base::Bytes value);
  void bytes_head(std::size_t size);  // the caller adds exactly `size` bytes with raw()
  void text(std::string_view value);
  void array(std::size_t elements);
  void map(std::size_t pairs);
  void truth(bool value);
  void null();
  void raw(base::Bytes encoded);

  [[nodiscard]] std::size_t size() const { return size_; }
  // Everything written. Errors: kBufferTooSmall.
  [[nodiscard]] base::Result<base::Bytes> result() const;
  // The part from `start` on. Precondition: start <= size(). Errors: kBufferTooSmall.
  [[nodiscard]] base::Result<base::Bytes> since(std::size_t start) const;

 private:
  CborWriter() : counts_only_(true) {}

  base::MutableBytes buffer_;
  std::size_t size_{0};
  bool counts_only_;
  bool overflow_{false};
};

}  // namespace attestation
