// The entries of kStatusRead as a person or a program reads them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "firmware/hypercall/abi.hpp"

namespace parent {

using Entry = std::vector<std::uint8_t>;                                             // as the monitor wrote it
using Sections = std::array<std::vector<Entry>, cofferdam_abi::kStatusSections>;  // by StatusSection

// Entries of a later version may be longer than what is known here: what is known is shown. One that is shorter than
// version 1 of its layout is read as if the rest were zero.
[[nodiscard]] std::string status_text(const Sections& sections);
[[nodiscard]] std::string status_json(const Sections& sections);  // one line

}  // namespace parent
