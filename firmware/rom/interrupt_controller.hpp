// The GICv3 as EL2 will find it: every interrupt belongs to the non-secure world (Arm IHI 0069). EL3 only.
//
// One exception: SGI 15 stays Group 0. With it the ROM wakes a core that waits at EL3 in WFI; a core takes it only
// while it waits, for Group 0 is off at its CPU interface before it goes down to EL2.
#pragma once

#include <cstdint>

namespace rom::interrupt_controller {

// Once, on the boot core. Answers a bit for each core that the machine has.
[[nodiscard]] std::uint32_t start();
// On each core, before it waits or goes down. Its redistributor awake, its SGIs and PPIs non-secure.
void start_core(std::uint32_t core);
void listen_for_wake();             // on a core that will wait
void stop_listening();              // before it goes down
void acknowledge_wake();            // after a WFI has returned
void wake(std::uint32_t core);

}  // namespace rom::interrupt_controller
