// The end: an invariant of the monitor itself does not hold. Nothing a guest does may lead here.
#pragma once

#include <string_view>

namespace monitor {

// Says why on the console, then hal::halt(), which wipes secrets and stops every core.
[[noreturn]] void panic(std::string_view reason);

}  // namespace monitor
