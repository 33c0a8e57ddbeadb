// What a core is to come back to the monitor for, and when: named deadlines over the one alarm of the core.
//
// Each core has its own, which it alone sets, clears and sees come, with interrupts masked: so there is no lock. They
// outlive what the core runs: who is called looks who owns the core by then. A deadline interrupts nothing in the
// monitor; it makes the core leave its guest, or ends its wait.
#pragma once

#include <cstdint>

namespace monitor {

enum class Deadline : std::uint8_t { kParentWatchdog, kPackets, kCommand, kDmaFaults };

// Called once, on the core that set it, outside every lock, while it runs the parent, an enclave or nothing. May set its
// own deadline again; one that is always due already would leave the guest no instruction.
using DeadlineHandler = void (*)();

// `tick`: of hal::ticks(); one that has passed is due at once. Replaces the deadline of that name.
void set_deadline(Deadline which, std::uint64_t tick, DeadlineHandler handler);
// The same, unless an earlier one of that name stands: for what may be asked for again and again.
void set_deadline_at_latest(Deadline which, std::uint64_t tick, DeadlineHandler handler);
void clear_deadline(Deadline which);
// hal::kAlarm came to this core: calls what is due. The interrupt may be deactivated afterwards.
void handle_alarm();

}  // namespace monitor
