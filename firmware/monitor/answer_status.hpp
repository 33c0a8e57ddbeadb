// kStatusRead: what the plan can't know of itself, and the bytes for the parent's buffer.
#pragma once

#include "firmware/hypercall/call.hpp"
#include "firmware/partition/transition.hpp"

namespace monitor {

void start_uptime();  // once, at boot
[[nodiscard]] std::uint64_t uptime_milliseconds();

// Writes the entry to the caller's buffer, as many bytes as the plan has answered. Callers hold the state lock.
void write_status_out(const hypercall::Call& call);

}  // namespace monitor
