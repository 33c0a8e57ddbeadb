// Work of the devices that the monitor plays which no guest's core should wait for: carrying a command out, moving packets.
//
// Who finds more to do than one trap should take leaves it, and says whose core it is for. A core that is parked in the monitor
// does it; where none is, that core does, its guest running in between. So nobody's work takes the time of others for long.
// Any core; each function without a lock held unless it says otherwise.
#pragma once

#include <cstdint>

#include "firmware/base/ids.hpp"

namespace monitor {

enum class Later : std::uint32_t {
  kCommand,  // command_device.hpp
  kVsock,    // vsock_ports.hpp
};

// `whose`: this core, or one that runs the partition whose work it is. Also under the state lock.
void leave_for_later(Later what, base::CoreId whose);
// The same, but not before this many microseconds have passed; on this core, whatever it runs by then, and a first piece only.
// One of these at a time for each kind: the earliest counts. Also under the state lock.
void look_again_in(std::uint64_t microseconds, Later what);
// One bounded piece of everything that was left. False: nothing was.
bool do_what_was_left();
// This core was kicked, perhaps for what is left.
void take_up_what_was_left();

// This core parks, or goes on to run a guest: what was left is then another's.
void begin_parking();
void end_parking();

}  // namespace monitor
