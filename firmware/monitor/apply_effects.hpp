// Effects become machine operations, in order; when one fails, those before it are undone.
#pragma once

#include "firmware/base/effect.hpp"

namespace monitor {

// Callers hold the state lock. Errors: kNoTables, kDeviceTimeout; the machine is then as it was before.
[[nodiscard]] base::Status apply(const base::EffectList& effects);

}  // namespace monitor
