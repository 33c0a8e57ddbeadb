// One unambiguous form of records, for hashes and seals: each text with its length before it, numbers as 8 bytes, most significant
// first; what may be absent has a byte that says whether it is there.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tools/kms/store.hpp"

namespace kms {

class CanonicalBytes {
 public:
  explicit CanonicalBytes(std::string_view what) { add(what); }  // what it is, so that no two kinds of records are alike
  CanonicalBytes& add(std::uint64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8) bytes_.push_back(static_cast<std::uint8_t>(number >> shift));
    return *this;
  }
  CanonicalBytes& add(ByteView bytes) {
    add(std::uint64_t{bytes.size()});
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  CanonicalBytes& add(std::string_view text) { return add(cofferdam::as_bytes(text)); }
  CanonicalBytes& add(Time time) { return add(static_cast<std::uint64_t>(time.time_since_epoch().count())); }
  template <class T>
  CanonicalBytes& add(const std::optional<T>& value) {
    bytes_.push_back(value ? 1 : 0);
    return value ? add(*value) : *this;
  }
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

}  // namespace kms
