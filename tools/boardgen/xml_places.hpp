// Where each element and each attribute of an XML text stands, by line and column.
//
// tinyxml2 keeps lines only. This scanner runs before it, over bytes that may be hostile: it takes the small part of
// XML that a board description needs and refuses the rest with its place: document types, entities, CDATA,
// processing instructions, text, deep nesting, huge counts, control characters.
#pragma once

#include <optional>
#include <string_view>

#include "tools/boardgen/diagnostic.hpp"

namespace boardgen {

inline constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxDepth = 8;
inline constexpr std::size_t kMaxElements = 2048;
inline constexpr std::size_t kMaxAttributes = 32;  // of one element
inline constexpr std::size_t kMaxNameBytes = 64;
inline constexpr std::size_t kMaxAttributeBytes = 256;  // of one value

struct AttributePlace {
  Location name;
  Location value;  // the first character inside the quotes
};

struct ElementPlace {
  Location tag;  // the '<'
  std::vector<AttributePlace> attributes;
};

struct Places {
  std::vector<ElementPlace> elements;  // in document order
  std::optional<Diagnostic> refused;   // set: the text is not a board description, elements are incomplete
};

[[nodiscard]] Places find_places(std::string_view text);

}  // namespace boardgen
