// Work of the devices that the monitor plays which no guest's core should wait for: carrying a command out, moving packets.
//
// Who finds more to do than one trap should take leaves it. A core that is parked in the monitor does it; where none is, the
// core that left it goes on by itself, its guest running in between. Any core; each function without a lock held unless it
// says otherwise.
#pragma once

#include <cstdint>

namespace monitor {

enum class Later : std::uint32_t {
  kCommand = 1U << 0,  // command_device.hpp
  kVsock = 1U << 1,    // vsock_ports.hpp
};

void leave_for_later(Later what);  // also under the state lock
// The same, but not before this many microseconds have passed; on this core, whatever it runs by then. One of these at a
// time: the earliest counts. Also under the state lock.
void look_again_at_packets_in(std::uint64_t microseconds);
// One bounded piece of everything that was left. False: nothing was.
bool do_what_was_left();

// This core parks, or goes on to run a guest: what was left is then somebody else's, or this core's a little later.
void begin_parking();
void end_parking();

}  // namespace monitor
