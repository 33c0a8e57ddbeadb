// What devices tried and were not let: out of the SMMU's queue, into the counters and the log.
#pragma once

namespace monitor {

// A few of them now, the rest by and by: a device that makes them without end holds nobody up.
void take_dma_faults();
// As many as can wait.
void take_waiting_dma_faults();

}  // namespace monitor
