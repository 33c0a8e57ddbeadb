#include "firmware/monitor/dma_faults.hpp"

#include "firmware/monitor/alarms.hpp"
#include "firmware/monitor/answer_status.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/log.hpp"
#include "hal/clock.hpp"
#include "hal/device_isolation.hpp"

namespace monitor {

namespace {

using hal::device_isolation::kFaultsLost;

constexpr int kMostAtOnce = 8;
constexpr std::uint64_t kMillisecondsBetween = 1;

[[nodiscard]] LogLine line_about(const hal::device_isolation::Fault& fault) {
  if (fault.type == kFaultsLost) return LogLine{}.text("lost: what devices were refused, the SMMU's queue was full");
  return LogLine{}.text("refused: device stream ").hex(fault.stream.value)
      .text(fault.write ? " wrote to " : " read from ").hex(fault.address)
      .text(", which is not its partition's (SMMU event ").hex(fault.type).text(")");
}

// True when there may be more.
[[nodiscard]] bool take_a_few() {
  for (int i = 0; i < kMostAtOnce; ++i) {
    g_state_lock.lock();
    const auto fault = hal::device_isolation::take_fault();
    if (fault) {
      ++g_state.counters.dma_faults;
      g_state.dma_faults.add({uptime_milliseconds(), fault->address, fault->stream, fault->type, fault->write});
    }
    g_state_lock.unlock();
    if (!fault) return false;
    log_about(base::kParent, line_about(*fault));
  }
  return true;
}

}  // namespace

void take_dma_faults() {
  if (!take_a_few()) return;
  // The SMMU says when its queue is no longer empty (IHI 0070, 3.18), not that something is left in it.
  const std::uint64_t pause = kMillisecondsBetween * hal::ticks_per_second() / 1000;
  set_deadline_at_latest(Deadline::kDmaFaults, hal::ticks() + pause, take_dma_faults);
}

void take_waiting_dma_faults() {
  constexpr int kMost = hal::device_isolation::kMostFaults + 1;  // and the word that there were more
  for (int taken = 0; taken < kMost && take_a_few(); taken += kMostAtOnce) {}
}

}  // namespace monitor
