// The one form of a description that its digest is taken over: board.json.
//
// Two board.xml that differ in comments, white space, order of attributes or sections, or in how a number is written
// have the same form; any other difference shows. The order of entries in a table is kept: it numbers them.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "tools/boardgen/description.hpp"

namespace boardgen {

[[nodiscard]] std::string canonical_form(const Description& description);  // JSON, ASCII, ends with a newline
// SHA-384 over those bytes: `sha384sum board.json` prints the same.
[[nodiscard]] std::array<std::uint8_t, 48> digest_of(const std::string& canonical);

}  // namespace boardgen
