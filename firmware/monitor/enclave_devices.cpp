#include "firmware/monitor/enclave_devices.hpp"

#include <array>

#include "firmware/emulation/uart16550.hpp"
#include "firmware/enclave/machine_map.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/guest_clock.hpp"
#include "firmware/monitor/nsm_device.hpp"
#include "firmware/monitor/virtual_interrupts.hpp"
#include "firmware/monitor/vsock_ports.hpp"

namespace monitor {

namespace {

constinit std::array<emulation::Uart16550, board::kMaxEnclaves> g_consoles{};  // guarded by the state lock

[[nodiscard]] AccessResult access_console(base::SlotIndex slot, const RegisterAccess& access, std::uint64_t offset) {
  AccessResult result;
  std::optional<std::uint8_t> byte;
  {
    const Locked locked{g_state_lock};
    emulation::Uart16550& console = g_consoles[slot.value];
    const bool line = console.interrupt_line();
    if (access.write) {
      const auto written = console.write(offset, access.size, static_cast<std::uint8_t>(access.value));
      result.answered = written.ok();
      const bool debug = g_state.slots[slot.value].mode == enclave::Mode::kDebug;
      if (written && debug) byte = *written;  // a production enclave's goes nowhere
    } else {
      const auto value = console.read(offset, access.size);
      if (value) result = {true, *value};
    }
    if (console.interrupt_line() != line) {
      set_line(base::partition_of(slot), enclave::kConsole.interrupt, console.interrupt_line());
    }
  }
  if (byte) console_byte(slot, *byte);
  return result;
}

}  // namespace

void reset_enclave_devices(base::SlotIndex slot) {
  reset_clock(base::partition_of(slot));
  g_consoles[slot.value] = {};
  reset_nsm_device(slot);
  attach_vsock(slot);
}

std::optional<AccessResult> access_enclave_device(base::SlotIndex slot, const RegisterAccess& access) {
  const auto offset_in = [&](const enclave::DevicePlace& place) { return access.address.value - place.base; };
  if (offset_in(enclave::kNsm) < enclave::kNsm.size) return access_nsm_device(slot, access, offset_in(enclave::kNsm));
  if (offset_in(enclave::kVsock) < enclave::kVsock.size) {
    return access_vsock(base::partition_of(slot), access, offset_in(enclave::kVsock));
  }
  if (offset_in(enclave::kClock) < enclave::kClock.size) {
    return access_clock(base::partition_of(slot), access, offset_in(enclave::kClock));
  }
  if (offset_in(enclave::kConsole) < enclave::kConsole.size) {
    return access_console(slot, access, offset_in(enclave::kConsole));
  }
  return std::nullopt;
}

}  // namespace monitor
