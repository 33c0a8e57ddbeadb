// How much RAM this machine has: what the device tree says that its hardware (here QEMU) left for the ROM.
//
// A board without such a tree needs another source, and its own version of this file.
#pragma once

#include <cstdint>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"

namespace rom {

// Bytes of RAM from `ram_base` on, from the first range of the node /memory (Devicetree Specification 0.4, 3.4), in
// whole frames. Further ranges and nodes (NUMA) are not counted. Reads inside `tree` only. The answer is 1 frame to
// measure::kMaxMemory.
// Errors: kInvalidArgument (no device tree, or none that says this).
[[nodiscard]] base::Result<std::uint64_t> memory_present(base::Bytes tree, std::uint64_t ram_base);

}  // namespace rom
