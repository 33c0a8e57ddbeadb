// Bit fields of 64-bit (or narrower) registers and in-memory structures, as constants.
//
// Layouts are declarations that any machine can compile; only hal/aarch64 reads or writes the registers.
#pragma once

#include <cstdint>

namespace hal::registers {

[[nodiscard]] constexpr std::uint64_t bit(unsigned position) { return std::uint64_t{1} << position; }

template <unsigned kLow, unsigned kWidth>
struct Field {
  static_assert(kWidth > 0 && kWidth < 64 && kLow + kWidth <= 64);
  static constexpr std::uint64_t kMax = (std::uint64_t{1} << kWidth) - 1;
  static constexpr std::uint64_t kMask = kMax << kLow;
  [[nodiscard]] static constexpr std::uint64_t get(std::uint64_t word) { return (word >> kLow) & kMax; }
  // Bits of `value` beyond the field are dropped: a field never touches its neighbours.
  [[nodiscard]] static constexpr std::uint64_t put(std::uint64_t value) { return (value & kMax) << kLow; }
  [[nodiscard]] static constexpr std::uint64_t replace(std::uint64_t word, std::uint64_t value) {
    return (word & ~kMask) | put(value);
  }
};

}  // namespace hal::registers
