// A core's life in the monitor: parked until told to run a guest, back when the guest has left.
#pragma once

namespace monitor {

// Never returns. Every core ends up here, the boot core after the machine has been set up.
[[noreturn]] void core_loop();

}  // namespace monitor
