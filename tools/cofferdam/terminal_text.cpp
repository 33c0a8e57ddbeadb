#include "tools/cofferdam/terminal_text.hpp"

#include <array>
#include <cstdint>
#include <cstdio>

#include "tools/cofferdam/bytes.hpp"

namespace cofferdam {
namespace {

std::string escape(const char* format, unsigned value) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

// The length of the sequence that a first byte begins; 1 for what begins none.
std::size_t length_from(unsigned char first) {
  if (first >= 0xf0) return 4;
  if (first >= 0xe0) return 3;
  return first >= 0xc0 ? 2 : 1;
}

std::uint32_t code_point(std::string_view sequence) {
  constexpr std::array<unsigned, 5> kFirstBits{0, 0x7f, 0x1f, 0x0f, 0x07};
  std::uint32_t value = static_cast<unsigned char>(sequence[0]) & kFirstBits[sequence.size()];
  for (const char next : sequence.substr(1)) value = value << 6 | (static_cast<unsigned char>(next) & 0x3fU);
  return value;
}

// C1 controls (ECMA-48 has CSI among them); line and paragraph separators; directional marks, embeddings, overrides and isolates
// (Unicode Standard Annex 9, section 2); the byte order mark.
bool acts(std::uint32_t point) {
  return (point >= 0x80 && point <= 0x9f) || point == 0x61c || point == 0x200e || point == 0x200f ||
         (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

}  // namespace

std::string terminal_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text[0]);
    const std::size_t length = length_from(first);
    const std::string_view sequence = text.substr(0, length);
    if (length == 1 || sequence.size() < length || !is_valid_utf8(as_bytes(sequence))) {
      const bool plain = (first >= 0x20 && first < 0x7f) || first == '\n' || first == '\t';
      out += plain ? std::string(1, text[0]) : escape("\\x%02x", first);
      text.remove_prefix(1);
      continue;
    }
    const std::uint32_t point = code_point(sequence);
    out += acts(point) ? escape("\\u{%x}", point) : std::string(sequence);
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace cofferdam
