#include "firmware/crypto/der_reader.hpp"

#include <mbedtls/asn1.h>

namespace crypto {

base::Result<base::Bytes> DerReader::value(std::uint8_t tag) {
  if (bytes_.empty()) return base::Error::kInvalidArgument;
  auto* const start = const_cast<unsigned char*>(bytes_.data());  // mbedTLS's interface takes no const
  unsigned char* cursor = start;
  const unsigned char* end = start + bytes_.size();
  std::size_t length = 0;
  if (mbedtls_asn1_get_tag(&cursor, end, &length, tag) != 0) return base::Error::kInvalidArgument;
  const auto head = static_cast<std::size_t>(cursor - start);
  // mbedTLS takes long forms of short lengths; DER has one form only.
  const std::size_t shortest = length < 0x80 ? 2 : length <= 0xFF ? 3 : length <= 0xFFFF ? 4 : 5;
  if (head > shortest) return base::Error::kInvalidArgument;
  const base::Bytes content = bytes_.subspan(head, length);
  bytes_ = bytes_.subspan(head + length);
  return content;
}

base::Result<DerReader> DerReader::enter(std::uint8_t tag) {
  MON_TRY_ASSIGN(const base::Bytes inside, value(tag));
  return DerReader{inside};
}

base::Result<std::uint64_t> DerReader::unsigned_as(std::uint8_t tag) {
  DerReader probe = *this;
  MON_TRY_ASSIGN(base::Bytes content, probe.value(tag));
  if (content.empty() || content.front() >= 0x80) return base::Error::kInvalidArgument;
  if (content.size() > 1 && content.front() == 0) {
    if (content[1] < 0x80) return base::Error::kInvalidArgument;
    content = content.subspan(1);
  }
  if (content.size() > 8) return base::Error::kInvalidArgument;
  std::uint64_t number = 0;
  for (const std::uint8_t byte : content) number = (number << 8) | byte;
  *this = probe;
  return number;
}

base::Status DerReader::finish() const {
  if (!at_end()) return base::Error::kInvalidArgument;
  return {};
}

}  // namespace crypto
