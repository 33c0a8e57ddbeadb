#include "firmware/crypto/der_writer.hpp"

#include <mbedtls/asn1write.h>

#include <array>

namespace crypto {

void DerWriter::raw(base::Bytes bytes) {
  if (overflow_ || bytes.size() > start_) {
    overflow_ = true;
    return;
  }
  start_ -= bytes.size();
  for (std::size_t i = 0; i < bytes.size(); ++i) buffer_[start_ + i] = bytes[i];
}

void DerWriter::wrap(std::uint8_t tag, std::size_t mark) {
  if (overflow_) return;
  unsigned char* cursor = buffer_.data() + start_;
  if (mbedtls_asn1_write_len(&cursor, buffer_.data(), mark - start_) < 0 ||
      mbedtls_asn1_write_tag(&cursor, buffer_.data(), tag) < 0) {
    overflow_ = true;
    return;
  }
  start_ = static_cast<std::size_t>(cursor - buffer_.data());
}

void DerWriter::value(std::uint8_t tag, base::Bytes content) {
  const std::size_t end = mark();
  raw(content);
  wrap(tag, end);
}

void DerWriter::text(std::uint8_t tag, std::string_view content) {
  value(tag, {reinterpret_cast<const std::uint8_t*>(content.data()), content.size()});
}

void DerWriter::integer(std::uint64_t value) { unsigned_as(der::kInteger, value); }

void DerWriter::integer(base::Bytes big_endian) {
  while (big_endian.size() > 1 && big_endian.front() == 0) big_endian = big_endian.subspan(1);
  const std::size_t end = mark();
  raw(big_endian);
  constexpr std::array<std::uint8_t, 1> kZero{0};
  if (big_endian.empty() || big_endian.front() >= 0x80) raw(kZero);  // zero itself, or the sign bit
  wrap(der::kInteger, end);
}

void DerWriter::unsigned_as(std::uint8_t tag, std::uint64_t value) {
  std::array<std::uint8_t, 9> bytes{};
  for (std::size_t i = 0; i < 8; ++i) bytes[8 - i] = static_cast<std::uint8_t>(value >> (8 * i));
  std::size_t first = 0;  // the shortest form whose sign bit is clear
  while (first < 8 && bytes[first] == 0 && bytes[first + 1] < 0x80) ++first;
  this->value(tag, base::Bytes{bytes}.subspan(first));
}

void DerWriter::true_value() {
  constexpr std::array<std::uint8_t, 1> kTrue{0xFF};
  value(der::kBoolean, kTrue);
}

void DerWriter::bit_string(base::Bytes content) {
  constexpr std::array<std::uint8_t, 1> kNoUnusedBits{0};
  const std::size_t end = mark();
  raw(content);
  raw(kNoUnusedBits);
  wrap(der::kBitString, end);
}

base::Result<base::Bytes> DerWriter::result() const {
  if (overflow_) return base::Error::kBufferTooSmall;
  return base::Bytes{buffer_}.subspan(start_);
}

}  // namespace crypto
