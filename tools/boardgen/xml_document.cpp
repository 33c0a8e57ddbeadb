// The only file that includes tinyxml2.
#include "tools/boardgen/xml_document.hpp"

#include <tinyxml2.h>

#include "tools/boardgen/xml_places.hpp"

namespace boardgen {
namespace {

// Depth is bounded by the scanner. `next` counts elements in document order; nullptr when the two readers of the
// text disagree on it.
std::unique_ptr<Element> build(const tinyxml2::XMLElement& source, const Places& places, std::size_t& next) {
  if (next == places.elements.size()) return nullptr;
  const ElementPlace& place = places.elements[next++];
  auto element = std::make_unique<Element>();
  element->name = source.Name();
  element->place = place.tag;
  for (const auto* attribute = source.FirstAttribute(); attribute != nullptr; attribute = attribute->Next()) {
    const std::size_t index = element->attributes.size();
    if (index == place.attributes.size()) return nullptr;
    element->attributes.push_back(
        {attribute->Name(), attribute->Value(), place.attributes[index].name, place.attributes[index].value});
  }
  if (element->attributes.size() != place.attributes.size()) return nullptr;
  for (const auto* child = source.FirstChildElement(); child != nullptr; child = child->NextSiblingElement()) {
    auto built = build(*child, places, next);
    if (!built) return nullptr;
    element->children.push_back(std::move(built));
  }
  return element;
}

}  // namespace

const Attribute* Element::find(std::string_view attribute) const {
  for (const Attribute& candidate : attributes) {
    if (candidate.name == attribute) return &candidate;
  }
  return nullptr;
}

std::variant<std::unique_ptr<Element>, Diagnostic> parse_xml(std::string_view text) {
  const Places places = find_places(text);
  if (places.refused) return *places.refused;
  tinyxml2::XMLDocument document;
  if (document.Parse(text.data(), text.size()) != tinyxml2::XML_SUCCESS || document.RootElement() == nullptr) {
    const int line = document.ErrorLineNum();
    return Diagnostic{{line > 0 ? static_cast<std::size_t>(line) : 1, 1},
                      std::string("not well-formed XML (") + document.ErrorName() + ")",
                      "check the tags and quotes of this line"};
  }
  std::size_t next = 0;
  auto root = build(*document.RootElement(), places, next);
  if (!root || next != places.elements.size()) {
    return Diagnostic{{1, 1}, "this XML can be read in more than one way", "keep to elements and attributes"};
  }
  return root;
}

}  // namespace boardgen
