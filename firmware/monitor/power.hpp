// The end of the machine's run, asked for by the parent or by its watchdog: enclaves first.
#pragma once

#include "firmware/partition/transition.hpp"

namespace monitor {

// Notes what the parent asked for; the core that runs core_loop() next carries it out.
void ask_to_end_machine(partition::WorkKind kind);
// Its watchdog has expired: as a reset that it asked for, but every core is told to leave its guest, this one as well.
// Precondition: the state lock is held.
void end_machine_of_hung_parent();
// The end was asked for: nothing new is begun for the parent. Under the state lock the answer is that of whoever stops the
// enclaves, so what was begun before is stopped with them.
[[nodiscard]] bool machine_ends();
// Does not return when the parent has asked: every enclave is stopped, every frame that was an enclave's is zeroed, then
// the machine goes off or starts again from reset.
void end_machine_if_asked();

}  // namespace monitor
