#include "firmware/monitor/after_commit.hpp"

#include "firmware/monitor/command_device.hpp"
#include "firmware/monitor/vsock_ports.hpp"

namespace monitor {

[[gnu::noinline, gnu::cold]] void tell_devices(const partition::Transition& transition) {
  for (const partition::Fact& fact : transition.facts) {
    if (fact.kind == partition::FactKind::kSlotStopped) {
      vsock_of_ended(fact.slot);
      tell_of_end();
    }
    if (fact.kind == partition::FactKind::kSlotFreed) forget_vsock_of(fact.slot);
  }
}

}  // namespace monitor
