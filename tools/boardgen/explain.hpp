// Broken rules of firmware/board/validate.hpp in the words of the XML file.
#pragma once

#include "tools/boardgen/description.hpp"

namespace boardgen {

// Those of boot_rules.hpp too, when the tables break none.
[[nodiscard]] Diagnostics broken_rules(const Description& description);

}  // namespace boardgen
