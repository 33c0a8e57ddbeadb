// An XML text as a tree in which every element and attribute knows its place.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tools/boardgen/diagnostic.hpp"

namespace boardgen {

struct Attribute {
  std::string name;
  std::string value;
  Location name_place;
  Location value_place;
};

struct Element {
  std::string name;
  Location place;
  std::vector<Attribute> attributes;
  std::vector<std::unique_ptr<Element>> children;

  [[nodiscard]] const Attribute* find(std::string_view attribute) const;
};

// The root element, or why the text is refused. Bounded in size, depth and count (xml_places.hpp).
[[nodiscard]] std::variant<std::unique_ptr<Element>, Diagnostic> parse_xml(std::string_view text);

}  // namespace boardgen
