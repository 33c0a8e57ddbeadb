// Text to the monitor's console, 40 bytes a call. A line is put together first, so that short ones come out whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "guests/bare/hypercall.hpp"

namespace bare {

class Line {
 public:
  Line& text(std::string_view text) {
    for (const char character : text) put(character);
    return *this;
  }
  Line& hex(std::uint64_t value) {
    text("0x");
    int shift = 60;
    while (shift > 0 && ((value >> shift) & 0xF) == 0) shift -= 4;
    for (; shift >= 0; shift -= 4) put("0123456789abcdef"[(value >> shift) & 0xF]);
    return *this;
  }
  Line& number(std::uint64_t value) {
    std::uint64_t divisor = 1;
    while (value / divisor >= 10) divisor *= 10;
    for (; divisor != 0; divisor /= 10) put(static_cast<char>('0' + value / divisor % 10));
    return *this;
  }
  Line& bytes(std::span<const std::uint8_t> data) {
    for (const std::uint8_t byte : data) {
      put("0123456789abcdef"[byte >> 4]);
      put("0123456789abcdef"[byte & 0xF]);
    }
    return *this;
  }
  void print() {  // with a line end
    put('\n');
    for (std::size_t sent = 0; sent < size_; sent += kCallBytes) {
      std::array<std::uint64_t, 6> arguments{};
      const std::size_t count = size_ - sent < kCallBytes ? size_ - sent : kCallBytes;
      arguments[0] = count;
      for (std::size_t i = 0; i < count; ++i) {
        arguments[1 + i / 8] |= std::uint64_t{static_cast<std::uint8_t>(text_[sent + i])} << (8 * (i % 8));
      }
      call_raw(static_cast<std::uint64_t>(Function::kConsoleWrite), arguments);
    }
    size_ = 0;
  }

 private:
  static constexpr std::size_t kCallBytes = 40;
  void put(char character) {
    if (size_ < sizeof text_) text_[size_++] = character;
  }
  char text_[240];
  std::size_t size_{0};
};

inline void say(std::string_view text) { Line{}.text(text).print(); }

// Bytes as lines of hexadecimal digits between -----BEGIN name----- and -----END name-----. A line fits one call, so
// nothing the monitor prints falls into the middle of one.
inline void print_block(std::string_view name, std::span<const std::uint8_t> data) {
  constexpr std::size_t kLineBytes = 16;
  Line{}.text("-----BEGIN ").text(name).text("-----").print();
  for (std::size_t done = 0; done < data.size(); done += kLineBytes) {
    Line{}.bytes(data.subspan(done, data.size() - done < kLineBytes ? data.size() - done : kLineBytes)).print();
  }
  Line{}.text("-----END ").text(name).text("-----").print();
}

}  // namespace bare
