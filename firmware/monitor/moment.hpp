// What a plan is told of time, of chance and of the core: plans read none of it themselves.
#pragma once

#include "firmware/hypercall/call.hpp"

namespace monitor {

// Only what a plan of this function looks at; the rest is zero, for it costs instructions.
[[nodiscard]] hypercall::Moment moment_for(std::uint32_t function);

}  // namespace monitor
