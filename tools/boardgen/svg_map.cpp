#include "tools/boardgen/svg_map.hpp"

#include <bit>

#include "tools/boardgen/format.hpp"

namespace boardgen {
namespace {

constexpr unsigned kWidth = 860;
constexpr unsigned kAddressColumn = 150;  // right edge of the addresses
constexpr unsigned kBlockLeft = 162;
constexpr unsigned kBlockWidth = 236;
constexpr unsigned kNoteLeft = 416;
constexpr unsigned kGapHeight = 24;

std::string css_class(Holder holder) {
  switch (holder) {
    case Holder::kMonitor:
      return "monitor";
    case Holder::kParent:
      return "parent";
    case Holder::kAssignable:
      return "assignable";
    case Holder::kRom:
      return "rom";
    case Holder::kNobody:
      return "nobody";
  }
  return {};
}

std::string attribute(const char* name, const std::string& value) {
  return std::string(" ") + name + "=\"" + value + "\"";
}
std::string attribute(const char* name, unsigned value) { return attribute(name, std::to_string(value)); }

std::string text_at(unsigned x, unsigned y, const std::string& css, const std::string& text) {
  return "<text" + attribute("x", x) + attribute("y", y) + attribute("class", css) + ">" + text + "</text>\n";
}

std::string rectangle(unsigned x, unsigned y, unsigned width, unsigned height, const std::string& css) {
  return "<rect" + attribute("x", x) + attribute("y", y) + attribute("width", width) + attribute("height", height) +
         attribute("rx", 4U) + attribute("class", css);
}

// 4 KiB: 28, each doubling 2 more; RAM of gigabytes stands out, and a page still holds its name.
unsigned height_of(const Piece& piece) {
  if (piece.holder == Holder::kNobody) return kGapHeight;
  const auto doublings = static_cast<unsigned>(std::bit_width(piece.size >> 12));
  return 26 + (doublings > 14 ? 3 * doublings : doublings + doublings / 2);
}

std::string tooltip(const Piece& piece) {
  return "<title>" + piece.name + ": " + range_text(piece.base, piece.size) + ", " + rounded_size(piece.size) + ", " +
         holder_text(piece.holder) + "</title>";
}

std::string open(unsigned height, const std::string& title) {
  return "<svg viewBox=\"0 0 " + std::to_string(kWidth) + " " + std::to_string(height) +
         "\" role=\"img\" aria-label=\"" + title + "\" xmlns=\"http://www.w3.org/2000/svg\">\n";
}

}  // namespace

std::string draw_map(const std::vector<Piece>& pieces, const std::string& title) {
  std::string body;
  unsigned y = 8;
  for (const Piece& piece : pieces) {
    const unsigned height = height_of(piece);
    const unsigned middle = y + height / 2 + 5;
    if (piece.holder == Holder::kNobody) {
      body += rectangle(kBlockLeft, y + 2, kBlockWidth, height - 4, "gap") + ">" + tooltip(piece) + "</rect>\n";
      body +=
          text_at(kBlockLeft + kBlockWidth / 2, middle, "faint centred", rounded_size(piece.size) + " not described");
    } else {
      body += text_at(kAddressColumn, y + 14, "address", padded_hexadecimal(piece.base));
      body += rectangle(kBlockLeft, y + 1, kBlockWidth, height - 2, "block " + css_class(piece.holder)) + ">" +
              tooltip(piece) + "</rect>\n";
      body += text_at(kBlockLeft + 12, middle, "name", piece.name);
      body += text_at(kBlockLeft + kBlockWidth - 12, middle, "size", rounded_size(piece.size));
      body += text_at(kNoteLeft, middle, "note", piece.note);
    }
    y += height;
  }
  if (!pieces.empty()) {
    body += text_at(kAddressColumn, y + 14, "address", padded_hexadecimal(pieces.back().base + pieces.back().size));
  }
  return open(y + 22, title) + body + "</svg>\n";
}

std::string draw_bar(const std::vector<Piece>& pieces, const std::string& title) {
  std::uint64_t total = 0;
  for (const Piece& piece : pieces) total += piece.size;
  std::string body;
  unsigned x = 0;
  unsigned row = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const Piece& piece = pieces[i];
    const bool spare = piece.holder == Holder::kNobody;
    // Wide enough to be seen; the last one takes what is left.
    auto width = static_cast<unsigned>(kWidth * (static_cast<double>(piece.size) / static_cast<double>(total)));
    if (width < 3) width = 3;
    if (i + 1 == pieces.size() || x + width > kWidth) width = kWidth - x;
    const std::string shade = spare ? "gap" : "block shade" + std::to_string(i);
    body += rectangle(x, 4, width, 44, shade) + ">" + tooltip(piece) + "</rect>\n";
    body += rectangle(0, 66 + 24 * row, 14, 14, shade) + "/>\n";
    body += text_at(24, 78 + 24 * row, "note strong", piece.name);
    body += text_at(250, 78 + 24 * row, "size-plain", rounded_size(piece.size));
    body += text_at(272, 78 + 24 * row, "note", piece.note);
    x += width;
    ++row;
  }
  return open(66 + 24 * row, title) + body + "</svg>\n";
}

}  // namespace boardgen
