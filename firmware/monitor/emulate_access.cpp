#include "firmware/monitor/emulate_access.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "board_tables.hpp"
#include "firmware/monitor/command_device.hpp"
#include "firmware/monitor/enclave_devices.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/guest_clock.hpp"
#include "firmware/monitor/parent_watchdog.hpp"
#include "firmware/monitor/trap_counters.hpp"
#include "firmware/monitor/virtual_interrupts.hpp"
#include "firmware/monitor/vsock_ports.hpp"
#include "hal/cpu.hpp"
#include "hal/registers/esr_el2.hpp"

namespace monitor {

namespace {

using cofferdam_abi::TrapCause;
namespace esr_el2 = hal::registers::esr_el2;

constexpr std::uint8_t kZeroRegister = 31;

[[nodiscard]] std::uint64_t low_bits(std::uint64_t value, unsigned bytes) {
  return bytes >= 8 ? value : value & ((std::uint64_t{1} << (8 * bytes)) - 1);
}

// Devices' registers are little-endian on the bus: what a big-endian access moves has its bytes the other way round in the register.
[[nodiscard]] std::uint64_t in_order_of(const hal::TrapFrame& frame, std::uint64_t value, unsigned bytes) {
  return bytes > 1 && hal::is_big_endian(frame) ? std::byteswap(value) >> (64 - 8 * bytes) : value;
}

// What a load puts into its register: sign extension, and the upper half of a 32-bit register cleared.
[[nodiscard]] std::uint64_t loaded(std::uint64_t value, const esr_el2::DataAbort& abort) {
  const unsigned bits = 8U * abort.bytes;
  value = low_bits(value, abort.bytes);
  if (abort.sign_extend && bits < 64 && (value >> (bits - 1) & 1) != 0) value |= ~std::uint64_t{0} << bits;
  return abort.register64 ? value : value & 0xFFFF'FFFF;
}

// The windows where the parent sees something of the monitor's.
constexpr std::size_t kViews = static_cast<std::size_t>(
    std::ranges::count_if(board::kBoard.mmio, [](const board::Mmio& window) { return window.parent_view != board::View::kNone; }));
constexpr std::array<board::Mmio, kViews> kViewed = [] {
  std::array<board::Mmio, kViews> viewed{};
  std::ranges::copy_if(board::kBoard.mmio, viewed.begin(), [](const board::Mmio& window) { return window.parent_view != board::View::kNone; });
  return viewed;
}();

// What the parent sees of the monitor's at a window.
[[nodiscard]] AccessResult access_view(board::View view, const RegisterAccess& access, std::uint64_t offset) {
  switch (view) {
    case board::View::kNone: return {};
    case board::View::kPl031:
      count_trap(TrapCause::kRtc);
      return access_clock(base::kParent, access, offset);
    case board::View::kCommandConfiguration:
      count_trap(TrapCause::kDevice);
      return access_bridge_configuration(access, offset);
    case board::View::kCommandMemory:
      count_trap(TrapCause::kDevice);
      return access_bridge_memory(access);
    case board::View::kVsock:
      count_trap(TrapCause::kDevice);
      return access_vsock(base::kParent, access, offset);
    case board::View::kWatchdogControl:
    case board::View::kWatchdogRefresh:
      count_trap(TrapCause::kDevice);
      return access_watchdog(view, access, offset);
  }
  return {};
}

[[nodiscard]] AccessResult access_device(base::CoreId core, base::PartitionId partition, const RegisterAccess& access) {
  if (const auto answer = access_interrupt_registers(core, partition, access)) {
    const bool distributor = access.address.value - board::kBoard.gic_distributor < 0x1'0000;
    count_trap(distributor ? TrapCause::kDistributor : TrapCause::kRedistributor);
    return *answer;
  }
  if (base::is_enclave(partition)) {
    const auto answer = access_enclave_device(base::slot_of(partition), access);
    if (answer) count_trap(TrapCause::kDevice);
    return answer.value_or(AccessResult{});
  }
  for (const board::Mmio& window : kViewed) {
    const std::uint64_t offset = access.address.value - window.base;
    if (offset < window.size) return access_view(window.parent_view, access, offset);
  }
  return {};
}

}  // namespace

bool emulate_access(hal::TrapFrame& frame) {
  const esr_el2::DataAbort abort = esr_el2::decode_data_abort(frame.esr);
  // Only then does HPFAR_EL2 name what was accessed: a permission fault leaves it as it was (Arm ARM, HPFAR_EL2). The
  // distributor's first page lacks the access flag: devices write their messages there.
  if (abort.kind != esr_el2::FaultKind::kTranslation && abort.kind != esr_el2::FaultKind::kAccessFlag) return false;
  if (!abort.decodable || abort.stage1_walk) return false;  // pairs, write-back and SIMD have no syndrome (Arm ARM, ISV)
  RegisterAccess access{.address = base::Ipa{esr_el2::fault_page(frame.hpfar).value | (frame.far & (base::kFrameSize - 1))},
                        .size = abort.bytes,
                        .write = abort.write};
  if ((access.address.value & (access.size - 1U)) != 0) return false;  // a power of two
  if (abort.write && abort.rt != kZeroRegister) access.value = in_order_of(frame, low_bits(frame.x[abort.rt], abort.bytes), abort.bytes);
  const base::CoreId core = hal::current_core();
  const base::PartitionId partition = g_state.cores.at(core).owner;  // stable while this core runs it
  const AccessResult result = access_device(core, partition, access);
  if (!result.answered) return false;
  if (!abort.write && abort.rt != kZeroRegister) frame.x[abort.rt] = loaded(in_order_of(frame, result.value, abort.bytes), abort);
  hal::step_over(frame);
  return true;
}

}  // namespace monitor
