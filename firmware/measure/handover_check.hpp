// Whether what the ROM left can be trusted to be well-formed: every count and size bounded, every text ended.
//
// The ROM is trusted, but a monitor that was started by something else must stop here and say so.
#pragma once

#include "firmware/base/result.hpp"
#include "firmware/measure/handover.hpp"

namespace measure {

// Errors: kInvalidArgument.
[[nodiscard]] base::Status validate(const Handover& handover);

}  // namespace measure
