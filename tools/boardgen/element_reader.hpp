// Attributes of one element as values of the right type; every refusal names its place and the mend.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "tools/boardgen/diagnostic.hpp"
#include "tools/boardgen/xml_document.hpp"

namespace boardgen {

using Names = std::initializer_list<std::string_view>;

[[nodiscard]] std::string joined(const std::vector<std::string>& names);  // "a, b, c"

class ElementReader {
 public:
  ElementReader(const Element& element, Diagnostics& diagnostics) : element_(element), diagnostics_(diagnostics) {}

  // Every required attribute is there, and no other than these.
  void expect_attributes(Names required, Names optional);
  // No element inside but these.
  void expect_children(Names known);

  // A missing or wrong value was or will be reported; the answer is 0 or empty then.
  [[nodiscard]] std::uint64_t number(std::string_view attribute);         // 4096, 0x1000, 4 KiB
  [[nodiscard]] std::uint32_t small_number(std::string_view attribute);   // fits 32 bits
  [[nodiscard]] std::string_view name(std::string_view attribute);        // a-z 0-9 -, starts with a letter, at most 31
  [[nodiscard]] std::string_view compatible(std::string_view attribute);  // vendor,model
  [[nodiscard]] std::string_view choice(std::string_view attribute, Names choices);
  [[nodiscard]] std::string_view text(std::string_view attribute);

  void refuse(std::string_view attribute, std::string what, std::string mend);  // at the attribute's value

 private:
  const Element& element_;
  Diagnostics& diagnostics_;
};

}  // namespace boardgen
