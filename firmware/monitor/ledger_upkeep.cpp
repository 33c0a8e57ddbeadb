#include "firmware/monitor/ledger_upkeep.hpp"

#include "firmware/monitor/globals.hpp"
#include "hal/floating_point.hpp"

namespace monitor {

void keep_ledger_folded() {
  if (!g_state.ledger.absorb_due()) return;
  const hal::FloatingPointScope scope;
  g_state.ledger.absorb();
}

}  // namespace monitor
