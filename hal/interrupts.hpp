// The physical interrupt controller, and virtual interrupts into the running guest (GICv3, Arm IHI 0069).
#pragma once

#include "firmware/base/ids.hpp"

namespace hal::interrupts {

void route(base::Intid intid, base::CoreId core);  // enable and deliver to that core
void disable(base::Intid intid);                   // disable, drop a pending one
void kick(base::CoreId core);                      // makes `core` enter the monitor soon
// On the calling core only: makes a virtual interrupt pending for the guest that runs here next. Dropped
// (false) when all list registers are in use; the caller counts that.
[[nodiscard]] bool inject_here(base::Intid intid);
// The physical interrupt that brought this core into the monitor; kSpurious when there is none.
inline constexpr base::Intid kSpurious{1023};
inline constexpr base::Intid kKick{7};  // the SGI behind kick()
[[nodiscard]] base::Intid acknowledge();
void end(base::Intid intid);  // priority drop and deactivate

}  // namespace hal::interrupts
