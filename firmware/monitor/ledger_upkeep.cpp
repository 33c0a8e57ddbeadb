#include "firmware/monitor/ledger_upkeep.hpp"

#include "hal/floating_point.hpp"

namespace monitor {

void fold_ledger() {
  const hal::FloatingPointScope scope;
  g_state.ledger.absorb();
}

}  // namespace monitor
