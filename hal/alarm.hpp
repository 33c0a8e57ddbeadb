// One alarm of each core, by the counter of hal::ticks(): the core enters the monitor at a tick that the monitor names.
//
// It comes as the interrupt kAlarm, whatever the core runs and whatever its guest masks, and wakes a core that waits. A
// level: it stays asserted until the alarm is set to a later tick or cleared, and only then may it be deactivated.
// No guest reaches it. The firmware's monitor has one place for all that wants it: firmware/monitor/alarms.hpp.
#pragma once

#include <cstdint>

#include "firmware/base/ids.hpp"

namespace hal {

inline constexpr base::Intid kAlarm{26};  // Arm BSA: PPI 26 is the non-secure EL2 physical timer
// Of the calling core, instead of what was set before; every core has none at first. A tick that has passed: at once.
void set_alarm(std::uint64_t tick);
void clear_alarm();

}  // namespace hal
