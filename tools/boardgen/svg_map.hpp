// Drawings of address maps: SVG that stands inside an HTML page and takes its colours from the page's style.
#pragma once

#include <string>
#include <vector>

#include "tools/boardgen/address_map.hpp"

namespace boardgen {

// Addresses grow downwards. Heights grow with the logarithm of the size, so that a page and a gigabyte both can be
// read.
[[nodiscard]] std::string draw_map(const std::vector<Piece>& pieces, const std::string& title);
// One horizontal bar, to scale.
[[nodiscard]] std::string draw_bar(const std::vector<Piece>& pieces, const std::string& title);

}  // namespace boardgen
