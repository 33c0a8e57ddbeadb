#include "firmware/monitor/moment.hpp"

#include "hal/clock.hpp"
#include "hal/cpu.hpp"

namespace monitor {

hypercall::Moment moment_for(std::uint32_t function) {
  switch (function) {
    case static_cast<std::uint32_t>(cofferdam_abi::Function::kSlotAllocate):
      return {hal::unix_milliseconds(), static_cast<std::uint16_t>(hal::ticks())};
    case cofferdam_abi::kSmcccArchFeatures:
    case cofferdam_abi::kSmcccArchWorkaround1:
    case cofferdam_abi::kSmcccArchWorkaround2:
    case cofferdam_abi::kSmcccArchWorkaround3: {
      const hal::SpeculationImmunity core = hal::speculation_immunity();
      return {0, 0, {core.branch_targets, core.store_bypass, core.branch_history}};
    }
    default: return {};
  }
}

}  // namespace monitor
