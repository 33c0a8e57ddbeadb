// The ownership ledger's hash is brought up to date in batches: hashing needs SIMD registers, appending does not.
#pragma once

namespace monitor {

// Callers hold the state lock, outside any hal::FloatingPointScope. Bounded work: at most one batch.
void keep_ledger_folded();

}  // namespace monitor
