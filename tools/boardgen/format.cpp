#include "tools/boardgen/format.hpp"

#include <array>
#include <cstddef>

namespace boardgen {
namespace {

constexpr std::array<const char*, 5> kUnits = {" B", " KiB", " MiB", " GiB", " TiB"};

}  // namespace

std::string hexadecimal(std::uint64_t value) {
  std::string digits;
  do {
    digits.insert(digits.begin(), "0123456789abcdef"[value & 15]);
    value >>= 4;
  } while (value != 0);
  return "0x" + digits;
}

std::string padded_hexadecimal(std::uint64_t value) {
  std::string digits = hexadecimal(value).substr(2);
  while (digits.size() < 10 || digits.size() % 2 != 0) digits.insert(digits.begin(), '0');
  for (std::size_t i = digits.size(); i > 4;) {
    i -= 4;
    digits.insert(i, "_");
  }
  return "0x" + digits;
}

std::string rounded_size(std::uint64_t bytes) {
  std::size_t unit = 0;
  std::uint64_t divisor = 1;
  while (unit + 1 < kUnits.size() && bytes / divisor >= 2048) {
    divisor *= 1024;
    ++unit;
  }
  const std::uint64_t rest = bytes % divisor;
  if (rest == 0) return std::to_string(bytes / divisor) + kUnits[unit];
  return std::to_string(bytes / divisor) + "." + std::to_string(rest / (divisor / 10 + 1)) + kUnits[unit];
}

std::string size_text(std::uint64_t bytes) {
  std::size_t unit = 0;
  while (unit + 1 < kUnits.size() && bytes != 0 && bytes % 1024 == 0) {
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + kUnits[unit];
}

std::string range_text(std::uint64_t base, std::uint64_t size) {
  return hexadecimal(base) + ".." + hexadecimal(size == 0 ? base : base + size - 1);
}

}  // namespace boardgen
