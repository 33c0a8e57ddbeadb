// A guest's load or store at an address where nothing is mapped, answered by a model of a device.
#pragma once

#include "hal/vcpu.hpp"

namespace monitor {

// True: a device of the partition's answered, the frame stands behind the instruction. False: nothing is there, or the
// instruction is none that can be decoded; the frame is as it was.
[[nodiscard]] bool emulate_access(hal::TrapFrame& frame);

}  // namespace monitor
