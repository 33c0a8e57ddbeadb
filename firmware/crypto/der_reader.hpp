// Reading DER (X.690) front to back, bounded by what encloses it.
//
// Every step answers kInvalidArgument and moves nothing when the next element is not what was asked for, is not
// in the shortest form, or reaches past the end.
#pragma once

#include <cstdint>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"

namespace crypto {

class DerReader {
 public:
  explicit DerReader(base::Bytes bytes) : bytes_(bytes) {}

  [[nodiscard]] bool at_end() const { return bytes_.empty(); }
  [[nodiscard]] bool next_is(std::uint8_t tag) const { return !bytes_.empty() && bytes_.front() == tag; }
  // Content of the next element, which must have this tag.
  [[nodiscard]] base::Result<base::Bytes> value(std::uint8_t tag);
  // A reader of the inside of the next element.
  [[nodiscard]] base::Result<DerReader> enter(std::uint8_t tag);
  // A non-negative integer of at most 64 bits.
  [[nodiscard]] base::Result<std::uint64_t> unsigned_as(std::uint8_t tag);
  // Errors: kInvalidArgument when something is left.
  [[nodiscard]] base::Status finish() const;

 private:
  base::Bytes bytes_;
};

}  // namespace crypto
