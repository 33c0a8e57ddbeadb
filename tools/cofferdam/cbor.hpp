// Strict reading of CBOR (RFC 8949) that an attacker wrote, and writing of the little that EIF signatures need.
//
// The reader goes from front to back over libcbor's streaming decoder; it never builds a tree and never allocates by
// a length that it only read. Strings have a definite length; arrays and maps may be of either kind. What the bytes
// claim is taken only when it is there. Any deviation throws CborError with the offset.
#pragma once

#include <functional>
#include <optional>
#include <set>

#include "tools/cofferdam/bytes.hpp"

namespace cofferdam {

class CborError : public std::runtime_error {
 public:
  CborError(const std::string& what, std::size_t offset);
};

enum class CborKind : std::uint8_t { kUnsigned, kNegative, kBytes, kText, kArray, kMap, kTag, kBool, kNull, kOther };

class CborReader {
 public:
  explicit CborReader(ByteView bytes) : bytes_(bytes) {}

  [[nodiscard]] std::size_t offset() const { return offset_; }
  [[nodiscard]] bool at_end() const { return offset_ == bytes_.size(); }
  [[nodiscard]] CborKind peek() const;  // the kind of the next item; throws at the end

  [[nodiscard]] std::uint64_t unsigned_integer();
  [[nodiscard]] std::int64_t integer();  // also negative ones
  [[nodiscard]] ByteView byte_string();  // a view of the input
  [[nodiscard]] std::string text();      // valid UTF-8
  [[nodiscard]] std::uint64_t tag();
  void null();
  // The item, of any kind and with all that is in it. Depth is bounded.
  void skip();

  // Calls `element` for each element / with the reader standing at each key; it must take exactly its items.
  // At most `most` elements or pairs.
  void array(std::size_t most, const std::function<void(std::size_t index)>& element);
  void map(std::size_t most, const std::function<void(std::size_t index)>& pair);

  [[noreturn]] void fail(const std::string& what) const;

 private:
  struct Item;
  [[nodiscard]] Item decode() const;
  [[nodiscard]] Item take();
  void skip(int depth);
  void items(const Item& head, std::size_t most, const std::function<void(std::size_t)>& each);

  ByteView bytes_;
  std::size_t offset_{0};
};

// Appends items in the shortest form, as AWS's encoder does.
class CborWriter {
 public:
  void unsigned_integer(std::uint64_t value) { head(0, value); }
  void negative(std::uint64_t minus_one_minus_value) { head(1, minus_one_minus_value); }
  void bytes(ByteView value);
  void text(std::string_view value);
  void array(std::uint64_t count) { head(4, count); }
  void map(std::uint64_t count) { head(5, count); }
  [[nodiscard]] const Bytes& result() const { return out_; }

 private:
  void head(unsigned major, std::uint64_t value);
  Bytes out_;
};

}  // namespace cofferdam
