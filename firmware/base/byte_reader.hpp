// Bounded reading of untrusted bytes, big- or little-endian; and the same for writing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "firmware/base/result.hpp"

namespace base {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

// Reads from front to back. Every read past the end answers kOutOfRange and moves nothing.
class ByteReader {
 public:
  constexpr explicit ByteReader(Bytes bytes) : bytes_(bytes) {}

  [[nodiscard]] constexpr std::size_t position() const { return position_; }
  [[nodiscard]] constexpr std::size_t remaining() const { return bytes_.size() - position_; }

  [[nodiscard]] constexpr Result<Bytes> take(std::size_t count) {
    if (count > remaining()) return Error::kOutOfRange;
    const Bytes part = bytes_.subspan(position_, count);
    position_ += count;
    return part;
  }
  template <typename T>
  [[nodiscard]] constexpr Result<T> big_endian() {
    MON_TRY_ASSIGN(const Bytes part, take(sizeof(T)));
    T value{};
    for (const std::uint8_t byte : part) value = static_cast<T>((std::uint64_t{value} << 8) | byte);
    return value;
  }
  template <typename T>
  [[nodiscard]] constexpr Result<T> little_endian() {
    MON_TRY_ASSIGN(const Bytes part, take(sizeof(T)));
    std::uint64_t value = 0;
    for (std::size_t i = sizeof(T); i-- > 0;) value = (value << 8) | part[i];
    return static_cast<T>(value);
  }

 private:
  Bytes bytes_;
  std::size_t position_{0};
};

// Writes from front to back. A write that does not fit answers kBufferTooSmall and writes nothing.
class ByteWriter {
 public:
  constexpr explicit ByteWriter(MutableBytes bytes) : bytes_(bytes) {}

  [[nodiscard]] constexpr std::size_t size() const { return position_; }
  [[nodiscard]] constexpr Bytes written() const { return bytes_.first(position_); }

  [[nodiscard]] constexpr Status put(Bytes data) {
    if (data.size() > bytes_.size() - position_) return Error::kBufferTooSmall;
    for (const std::uint8_t byte : data) bytes_[position_++] = byte;
    return {};
  }
  template <typename T>
  [[nodiscard]] constexpr Status little_endian(T value) {
    if (sizeof(T) > bytes_.size() - position_) return Error::kBufferTooSmall;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      bytes_[position_++] = static_cast<std::uint8_t>(std::uint64_t{value} >> (8 * i));
    }
    return {};
  }
  template <typename T>
  [[nodiscard]] constexpr Status big_endian(T value) {
    if (sizeof(T) > bytes_.size() - position_) return Error::kBufferTooSmall;
    for (std::size_t i = sizeof(T); i-- > 0;) {
      bytes_[position_++] = static_cast<std::uint8_t>(std::uint64_t{value} >> (8 * i));
    }
    return {};
  }

 private:
  MutableBytes bytes_;
  std::size_t position_{0};
};

}  // namespace base
