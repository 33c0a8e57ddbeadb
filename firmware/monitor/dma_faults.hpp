// What devices tried and were not let: out of the SMMU's queue, into the counters and the log.
#pragma once

namespace monitor {

// A bounded number of them; the rest is taken the next time.
void take_dma_faults();

}  // namespace monitor
