// What the ROM left for the monitor, and files that lie in memory when the monitor starts.
#pragma once

#include "firmware/base/byte_reader.hpp"

namespace hal {

// The handover of the ROM (layout: firmware/measure/handover.hpp), in monitor memory. The place where the ROM
// wrote it has been wiped. Empty when there was none.
[[nodiscard]] base::MutableBytes handover();

}  // namespace hal
