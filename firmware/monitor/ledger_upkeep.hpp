// The ownership ledger's hash is brought up to date in batches: hashing needs SIMD registers, appending does not.
#pragma once

#include "firmware/monitor/globals.hpp"

namespace monitor {

void fold_ledger();
// Callers hold the state lock, outside any hal::FloatingPointScope. Bounded work: at most one batch.
inline void keep_ledger_folded() {
  if (g_state.ledger.absorb_due()) [[unlikely]] fold_ledger();
}

}  // namespace monitor
