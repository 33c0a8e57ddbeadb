#include "firmware/monitor/handle_interrupt.hpp"

#include "board_tables.hpp"
#include "firmware/monitor/alarms.hpp"
#include "firmware/monitor/dma_faults.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/later.hpp"
#include "firmware/monitor/nsm_device.hpp"
#include "firmware/monitor/trap_counters.hpp"
#include "firmware/monitor/virtual_interrupts.hpp"
#include "hal/alarm.hpp"
#include "hal/cpu.hpp"
#include "hal/interrupts.hpp"
#include "hal/message_interrupts.hpp"

namespace monitor {

namespace {

using cofferdam_abi::TrapCause;

// An interrupt that is nobody's is switched off: a level-triggered line would storm.
void refuse_interrupt(base::CoreId core, base::Intid intid) {
  using hal::interrupts::Change;
  const std::uint32_t mask = 1U << (intid.value % 32);
  hal::interrupts::change(Change::kDisable, core, intid.value / 32, mask);
  hal::interrupts::change(Change::kDeactivate, core, intid.value / 32, mask);
}

[[nodiscard]] bool is_own_interrupt(base::Intid intid) {
  for (const board::Interrupt& interrupt : board::kBoard.interrupts) {
    if (interrupt.intid == intid) return interrupt.owner == board::Owner::kMonitor;
  }
  return false;
}

// One that belongs to no partition that runs here.
void handle_unowned(base::CoreId core, base::Intid intid) {
  if (intid == hal::kAlarm) {
    handle_alarm();
    hal::interrupts::change(hal::interrupts::Change::kDeactivate, core, 0, 1U << intid.value);
  } else if (is_own_interrupt(intid)) {
    take_dma_faults();
    hal::interrupts::change(hal::interrupts::Change::kDeactivate, core, intid.value / 32, 1U << (intid.value % 32));
  } else {
    refuse_interrupt(core, intid);
  }
}

}  // namespace

void handle_interrupts_while_parked() {
  constexpr int kMostTaken = 16;
  const base::CoreId core = hal::current_core();
  for (int i = 0; i < kMostTaken; ++i) {
    const base::Intid intid = hal::interrupts::acknowledge();
    if (intid == hal::interrupts::kSpurious) return;
    if (hal::message_interrupts::is_message(intid)) {
      if (const auto spi = hal::message_interrupts::virtual_spi(intid)) raise_message(base::kParent, *spi);
    } else if (intid == hal::interrupts::kKick || intid == hal::interrupts::kMaintenance) {
      hal::interrupts::change(hal::interrupts::Change::kDeactivate, core, 0, 1U << intid.value);
    } else {
      handle_unowned(core, intid);
    }
  }
}

void handle_interrupt() {
  using hal::interrupts::Change;
  const base::CoreId core = hal::current_core();
  const base::PartitionId partition = g_state.cores.at(core).owner;  // stable while this core runs it
  const base::Intid intid = hal::interrupts::acknowledge();
  if (intid == hal::interrupts::kSpurious) return;
  if (hal::message_interrupts::is_message(intid)) {
    count_trap(TrapCause::kPhysicalInterrupt);
    // Whose it was is decided by who could send it: only the parent's devices are attached.
    if (const auto spi = hal::message_interrupts::virtual_spi(intid)) deliver_message(core, partition, *spi);
  } else if (intid == hal::interrupts::kKick || intid == hal::interrupts::kMaintenance) {
    count_trap(intid == hal::interrupts::kKick ? TrapCause::kSgi : TrapCause::kMaintenanceInterrupt);
    refresh_interrupts(core, partition);  // a maintenance interrupt stays asserted until then
    hal::interrupts::change(Change::kDeactivate, core, 0, 1U << intid.value);
    if (intid == hal::interrupts::kKick) {
      take_up_what_was_left();
      if (base::is_enclave(partition)) serve_waiting_nsm_request(base::slot_of(partition));
    }
  } else {
    count_trap(TrapCause::kPhysicalInterrupt);
    if (!deliver_physical(core, partition, intid)) handle_unowned(core, intid);
  }
}

}  // namespace monitor
