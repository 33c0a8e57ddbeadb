#include "firmware/monitor/dma_faults.hpp"

#include "firmware/monitor/answer_status.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/log.hpp"
#include "hal/device_isolation.hpp"

namespace monitor {

void take_dma_faults() {
  constexpr int kMostAtOnce = 8;
  for (int i = 0; i < kMostAtOnce; ++i) {
    g_state_lock.lock();
    const auto fault = hal::device_isolation::take_fault();
    if (fault) {
      ++g_state.counters.dma_faults;
      g_state.dma_faults.add({uptime_milliseconds(), fault->address, fault->stream, fault->type, fault->write});
    }
    g_state_lock.unlock();
    if (!fault) return;
    log_about(base::kParent, LogLine{}.text("refused: device stream ").hex(fault->stream.value)
                                 .text(fault->write ? " wrote to " : " read from ").hex(fault->address)
                                 .text(", which is not its partition's (SMMU event ").hex(fault->type).text(")"));
  }
}

}  // namespace monitor
