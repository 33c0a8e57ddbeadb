#include "tests/unit/hal/host/scripted_monitor_test.hpp"

namespace hal {

void monitor_main() {
  scripted::monitor_main();
  scripted::park();
  throw std::logic_error("parked cores don't come back");
}
void monitor_core_main() {
  scripted::core_main();
  scripted::park();
  throw std::logic_error("parked cores don't come back");
}
AfterTrap handle_trap(TrapKind kind, TrapFrame& frame) { return scripted::handle_trap(kind, frame); }
void handle_own_exception(std::uint64_t, std::uint64_t, std::uint64_t) { throw std::logic_error("monitor exception"); }

}  // namespace hal
