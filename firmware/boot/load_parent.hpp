// The parent's program: laid into its memory, measured there, then never touched again by the monitor.
#pragma once

#include <cstdint>

namespace boot {

struct ParentStart {
  std::uint64_t entry{};
  std::uint64_t argument{};  // x0: the device tree's physical address; 0: it is told of none
};

// Precondition: only this core runs, every DMA master is in abort, every core of the machine that there is has come up.
// Panics with the cause when the payload is malformed or does not fit.
[[nodiscard]] ParentStart load_parent();

}  // namespace boot
