// The parent's watchdog, which the monitor plays: a parent that hangs is started again by the way of SYSTEM_RESET.
#pragma once

#include <algorithm>
#include <cstdint>

#include "board_tables.hpp"
#include "firmware/monitor/register_access.hpp"

namespace monitor {

inline constexpr bool kParentHasWatchdog = std::any_of(
    board::kBoard.mmio.begin(), board::kBoard.mmio.end(),
    [](const board::Mmio& window) { return window.parent_view == board::View::kWatchdogControl; });

// A load or store of the parent's in the frame of that view.
[[nodiscard]] AccessResult access_watchdog(board::View frame, const RegisterAccess& access, std::uint64_t offset);
// The machine is ending: the watchdog is off from now on.
void stop_watching_parent();

}  // namespace monitor
