#include "firmware/monitor/guest_clock.hpp"

#include <array>

#include "firmware/emulation/pl031.hpp"
#include "firmware/monitor/globals.hpp"
#include "hal/clock.hpp"

namespace monitor {

namespace {

constinit std::array<emulation::Pl031, board::kMaxEnclaves + 2> g_clocks{};  // guarded by the state lock

}  // namespace

void reset_clock(base::PartitionId partition) { g_clocks[partition.value] = {}; }

AccessResult access_clock(base::PartitionId partition, const RegisterAccess& access, std::uint64_t offset) {
  const auto second = static_cast<std::uint32_t>(hal::unix_milliseconds() / 1000);
  const Locked locked{g_state_lock};
  emulation::Pl031& clock = g_clocks[partition.value];
  if (access.write) {
    return {clock.write(offset, access.size, static_cast<std::uint32_t>(access.value), second).ok(), 0};
  }
  const auto value = clock.read(offset, access.size, second);
  return value ? AccessResult{true, *value} : AccessResult{};
}

}  // namespace monitor
