// Writing DER (X.690) into a fixed buffer, back to front, so that every length is known when its head is written.
//
// Usage: mark() the end of a structure, write its fields from the last to the first, then wrap(tag, mark).
// Errors stick: after the first that does not fit, result() answers kBufferTooSmall and nothing more is written.
#pragma once

#include <cstdint>
#include <string_view>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"

namespace crypto {

namespace der {
inline constexpr std::uint8_t kBoolean = 0x01;
inline constexpr std::uint8_t kInteger = 0x02;
inline constexpr std::uint8_t kBitString = 0x03;
inline constexpr std::uint8_t kOctetString = 0x04;
inline constexpr std::uint8_t kNull = 0x05;
inline constexpr std::uint8_t kObjectIdentifier = 0x06;
inline constexpr std::uint8_t kUtf8String = 0x0C;
inline constexpr std::uint8_t kUtcTime = 0x17;
inline constexpr std::uint8_t kGeneralizedTime = 0x18;
inline constexpr std::uint8_t kSequence = 0x30;
inline constexpr std::uint8_t kSet = 0x31;
[[nodiscard]] constexpr std::uint8_t context(std::uint8_t number) { return static_cast<std::uint8_t>(0x80 | number); }
[[nodiscard]] constexpr std::uint8_t context_constructed(std::uint8_t number) {
  return static_cast<std::uint8_t>(0xA0 | number);
}
}  // namespace der

class DerWriter {
 public:
  explicit DerWriter(base::MutableBytes buffer) : buffer_(buffer), start_(buffer.size()) {}

  [[nodiscard]] std::size_t mark() const { return start_; }
  void raw(base::Bytes bytes);
  // Puts a head in front of everything written since `mark`.
  void wrap(std::uint8_t tag, std::size_t mark);

  void value(std::uint8_t tag, base::Bytes content);  // a primitive value
  void text(std::uint8_t tag, std::string_view content);
  void integer(std::uint64_t value);                  // not negative
  void integer(base::Bytes big_endian);               // not negative, any length
  void unsigned_as(std::uint8_t tag, std::uint64_t value);  // an INTEGER under another tag, IMPLICIT
  void true_value();                                  // BOOLEAN TRUE; FALSE is a DEFAULT wherever we write one
  void bit_string(base::Bytes content);               // no unused bits

  // What was written: the tail of the buffer. Errors: kBufferTooSmall.
  [[nodiscard]] base::Result<base::Bytes> result() const;

 private:
  base::MutableBytes buffer_;
  std::size_t start_;  // index of the first byte written
  bool overflow_{false};
};

}  // namespace crypto
