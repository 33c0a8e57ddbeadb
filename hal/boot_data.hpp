// What lies in memory when the monitor starts: the ROM's handover, and the parent's boot payload.
#pragma once

#include "firmware/base/byte_reader.hpp"

namespace hal {

// The handover of the ROM (layout: firmware/measure/handover.hpp), in monitor memory. The place where the ROM
// wrote it has been wiped. Empty when there was none.
[[nodiscard]] base::MutableBytes handover();

// The boot payload as it lies in flash (layout: firmware/boot/payload.hpp), untrusted, readable at any time. Empty
// when the board has none.
[[nodiscard]] base::Bytes payload();

}  // namespace hal
