// Broken rules of firmware/board/validate.hpp in the words of the XML file; and the few rules on what the monitor's
// tables don't hold (ROM, PCIe of the parent).
#pragma once

#include "tools/boardgen/description.hpp"

namespace boardgen {

[[nodiscard]] Diagnostics broken_rules(const Description& description);

}  // namespace boardgen
