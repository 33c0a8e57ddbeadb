// The Nitro Enclaves PCI device of the parent (1d0f:e4c1), on a host bridge of its own: what Linux's nitro_enclaves driver
// binds to. Its commands are the parent's calls in another dress: each is planned, applied and committed like an HVC.
//
// A command is carried out in bounded pieces, by a core that is parked where there is one (later.hpp).
#pragma once

#include "firmware/base/ids.hpp"
#include "firmware/monitor/register_access.hpp"

namespace monitor {

// A load or store of the parent's at `offset` of the bridge's ECAM window, or anywhere in its memory window.
[[nodiscard]] AccessResult access_bridge_configuration(const RegisterAccess& access, std::uint64_t offset);
[[nodiscard]] AccessResult access_bridge_memory(const RegisterAccess& access);
// A bounded piece of the command that runs. Without a lock.
enum class CommandLeft : std::uint8_t { kNothing, kMore, kWaits };  // kWaits: for other cores, a moment at least
[[nodiscard]] CommandLeft go_on_with_command();
// An enclave ended: the driver is told by an event. State lock held.
void tell_of_end();

}  // namespace monitor
