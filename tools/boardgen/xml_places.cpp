#include "tools/boardgen/xml_places.hpp"

#include <algorithm>
#include <string>

namespace boardgen {
namespace {

constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
constexpr bool is_name(char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == ':'; }
constexpr bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }
constexpr bool is_control(char c) { return (static_cast<unsigned char>(c) < 0x20 && !is_space(c)) || c == 0x7f; }

// Every function answers false after it has refused; the caller stops at once.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Places run() {
    if (scan()) places_.refused.reset();
    return std::move(places_);
  }

 private:
  bool scan() {
    if (text_.size() > kMaxFileBytes) {
      return refuse({}, "the file is larger than 1 MiB", "describe one board, by hand-written XML only");
    }
    if (starts("\xFF\xFE") || starts("\xFE\xFF")) {
      return refuse({1, 1}, "the file is not UTF-8 text", "save it as UTF-8; this looks like UTF-16");
    }
    if (starts("\xEF\xBB\xBF")) skip(3), column_ = 1;
    if (starts("<?xml") && !declaration()) return false;
    while (true) {
      if (!text_up_to_markup()) return false;
      if (at_end()) break;
      if (!markup()) return false;
    }
    if (!open_.empty()) {
      return refuse(here(),
                    "the file ends inside <" + std::string(open_.back().name) + "> of line " +
                        std::to_string(open_.back().where.line),
                    "close it with </" + std::string(open_.back().name) + ">; was the file cut off?");
    }
    if (places_.elements.empty()) {
      return refuse(here(), "the file has no element", "start from boards/qemu-virt/board.xml");
    }
    return true;
  }

  bool text_up_to_markup() {
    while (!at_end() && peek() != '<') {
      if (peek() == '&') return refuse_entity();
      if (!plain()) return false;
      if (!is_space(peek())) {
        return refuse(here(), "text between elements", "everything stands in attributes; a remark goes in <!-- -->");
      }
      next();
    }
    return true;
  }

  bool markup() {
    if (starts("<!--")) return comment();
    if (starts("<![CDATA[")) return refuse(here(), "a CDATA section", "remove it: everything stands in attributes");
    if (starts("<!")) {
      return refuse(here(), "a document type or entity declaration",
                    "remove it: board descriptions have no entities and load nothing");
    }
    if (starts("<?"))
      return refuse(here(), "a processing instruction", "remove it: only <?xml ...?> in line 1 is known");
    if (starts("</")) return closing_tag();
    return opening_tag();
  }

  bool declaration() {
    const Location start = here();
    while (!at_end() && !starts("?>")) {
      if (!plain()) return false;
      next();
    }
    if (at_end()) return refuse(start, "<?xml is not closed", "end it with ?>");
    skip(2);
    return true;
  }

  bool comment() {
    const Location start = here();
    skip(4);
    while (!at_end() && !starts("-->")) {
      if (is_control(peek())) return plain();
      next();
    }
    if (at_end()) return refuse(start, "this comment is not closed", "end it with -->");
    skip(3);
    return true;
  }

  bool closing_tag() {
    const Location start = here();
    skip(2);
    std::string_view name;
    if (!take_name("element", name)) return false;
    if (open_.empty()) {
      return refuse(start, "</" + std::string(name) + "> closes nothing", "remove it, or open the element before it");
    }
    if (open_.back().name != name) {
      return refuse(start,
                    "</" + std::string(name) + "> closes <" + std::string(open_.back().name) + "> of line " +
                        std::to_string(open_.back().where.line),
                    "write </" + std::string(open_.back().name) + "> first");
    }
    spaces();
    if (at_end() || peek() != '>') return refuse(here(), "'>' expected", "end the closing tag with '>'");
    next();
    open_.pop_back();
    return true;
  }

  bool opening_tag() {
    const Location start = here();
    next();
    std::string_view name;
    if (!take_name("element", name)) return false;
    if (open_.empty() && !places_.elements.empty()) {
      return refuse(start, "a second root element <" + std::string(name) + ">",
                    "one file describes one <board>; put this inside it or in a file of its own");
    }
    if (open_.size() == kMaxDepth) {
      return refuse(start, "elements are nested deeper than " + std::to_string(kMaxDepth),
                    "a board description needs four levels; flatten it");
    }
    if (places_.elements.size() == kMaxElements) {
      return refuse(start, "more than " + std::to_string(kMaxElements) + " elements",
                    "no board has so many parts; describe only what has an owner");
    }
    places_.elements.push_back({start, {}});
    std::vector<std::string_view> seen;
    while (true) {
      const bool separated = spaces();
      if (at_end()) return refuse_end();
      if (starts("/>")) return skip(2), true;
      if (peek() == '>') {
        next();
        open_.push_back({name, start});
        return true;
      }
      if (!separated) return refuse(here(), "no space before this attribute", "put a space there");
      if (!attribute(seen)) return false;
    }
  }

  bool attribute(std::vector<std::string_view>& seen) {
    AttributePlace place{here(), {}};
    std::string_view name;
    if (!take_name("attribute", name)) return false;
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      return refuse(place.name, "attribute '" + std::string(name) + "' stands twice in this element",
                    "keep one of them");
    }
    if (seen.size() == kMaxAttributes) {
      return refuse(place.name, "more than " + std::to_string(kMaxAttributes) + " attributes",
                    "no element has so many");
    }
    seen.push_back(name);
    spaces();
    if (at_end()) return refuse_end();
    if (peek() != '=') {
      return refuse(here(), "'=' expected after '" + std::string(name) + "'",
                    "write " + std::string(name) + "=\"value\"");
    }
    next();
    spaces();
    if (at_end()) return refuse_end();
    if (peek() != '"' && peek() != '\'') {
      return refuse(here(), "the value of '" + std::string(name) + "' is not quoted",
                    "write " + std::string(name) + "=\"value\"");
    }
    const char quote = peek();
    next();
    place.value = here();
    const std::size_t begin = position_;
    while (!at_end() && peek() != quote) {
      if (peek() == '&') return refuse_entity();
      if (peek() == '<' || peek() == '\n') {
        return refuse(place.value, "the value of '" + std::string(name) + "' is not closed", "end it with a quote");
      }
      if (!plain()) return false;
      if (position_ - begin == kMaxAttributeBytes) {
        return refuse(place.value,
                      "the value of '" + std::string(name) + "' is longer than " + std::to_string(kMaxAttributeBytes) +
                          " characters",
                      "shorten it");
      }
      next();
    }
    if (at_end()) return refuse_end();
    next();
    places_.elements.back().attributes.push_back(place);
    return true;
  }

  bool take_name(const char* kind, std::string_view& name) {
    const std::size_t begin = position_;
    const Location start = here();
    while (!at_end() && (position_ == begin ? is_letter(peek()) : is_name(peek()))) next();
    name = text_.substr(begin, position_ - begin);
    if (!name.empty() && name.size() <= kMaxNameBytes) return true;
    if (!name.empty())
      return refuse(start, std::string("this name of an ") + kind + " is too long", "see docs/board-xml.md");
    if (!at_end() && !plain()) return false;
    return refuse(start, std::string("the name of an ") + kind + " is expected here",
                  "names start with a letter; see docs/board-xml.md");
  }

  bool refuse_end() {
    return refuse(here(), "the file ends inside a tag", "close it with '>' or '/>'; was the file cut off?");
  }
  bool refuse_entity() {
    return refuse(here(), "'&' starts an entity", "write the character itself; board descriptions have no entities");
  }
  // The character here may stand outside comments.
  bool plain() {
    if (is_ascii(peek()) && !is_control(peek())) return true;
    if (is_control(peek()))
      return refuse(here(), "a control character", "this is not a text file; save it as UTF-8 text");
    return refuse(here(), "a character that is not ASCII", "only comments may hold other characters");
  }
  bool refuse(Location where, std::string what, std::string mend) {
    places_.refused = Diagnostic{where, std::move(what), std::move(mend)};
    return false;
  }

  [[nodiscard]] bool at_end() const { return position_ == text_.size(); }
  [[nodiscard]] char peek() const { return text_[position_]; }
  [[nodiscard]] bool starts(std::string_view prefix) const { return text_.substr(position_).starts_with(prefix); }
  [[nodiscard]] Location here() const { return {line_, column_}; }
  void next() {
    const char c = text_[position_++];
    if (c == '\n') {
      ++line_;
      column_ = 1;
    } else if (position_ == text_.size() || (static_cast<unsigned char>(text_[position_]) & 0xC0) != 0x80) {
      ++column_;  // the next byte starts a new character
    }
  }
  void skip(std::size_t count) {
    while (count-- > 0) next();
  }
  bool spaces() {
    const std::size_t begin = position_;
    while (!at_end() && is_space(peek())) next();
    return position_ != begin;
  }

  struct Open {
    std::string_view name;
    Location where;
  };
  std::string_view text_;
  std::size_t position_ = 0;
  std::size_t line_ = 1;
  std::size_t column_ = 1;
  std::vector<Open> open_;
  Places places_;
};

}  // namespace

Places find_places(std::string_view text) { return Scanner(text).run(); }

}  // namespace boardgen
