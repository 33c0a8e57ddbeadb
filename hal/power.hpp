// Starting cores and ending the machine's run.
#pragma once

#include "firmware/base/ids.hpp"
#include "firmware/base/result.hpp"

namespace hal::power {

// Brings a core from reset into monitor_core_main(). Errors: kDeviceTimeout.
[[nodiscard]] base::Status start_core(base::CoreId core);
[[noreturn]] void system_off();
[[noreturn]] void system_reset();

}  // namespace hal::power
