// A physical interrupt took this core out of its guest: whose it is, and what follows.
#pragma once

namespace monitor {

void handle_interrupt();

// The same for a core that runs nobody's code: messages and the monitor's own interrupts come to the boot core even then.
// A bounded number of them; they would keep the core from sleeping otherwise.
void handle_interrupts_while_parked();

}  // namespace monitor
