// Rules on what the monitor's tables don't hold: where the ROM lies, and what the parent's device tree names.
#pragma once

#include "tools/boardgen/description.hpp"

namespace boardgen {

// Precondition: the description keeps every rule of firmware/board/validate.hpp.
[[nodiscard]] Diagnostics broken_boot_rules(const Description& description);

}  // namespace boardgen
