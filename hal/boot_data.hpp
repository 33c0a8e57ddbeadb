// What lies in memory when the monitor starts: the ROM's handover, and the parent's boot payload.
#pragma once

#include <optional>

#include "firmware/base/address.hpp"
#include "firmware/base/byte_reader.hpp"

namespace hal {

// The handover of the ROM (layout: firmware/measure/handover.hpp), in monitor memory. The place where the ROM
// wrote it has been wiped. Empty when there was none.
[[nodiscard]] base::MutableBytes handover();

// Where the machine's loader has laid the boot payload (layout: firmware/boot/payload.hpp): in the parent's memory,
// untrusted. Nothing: this machine's guests are programs, not bytes.
[[nodiscard]] std::optional<base::PhysAddr> payload();

}  // namespace hal
