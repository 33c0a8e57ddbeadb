// Between the physical interrupt controller and each partition's virtual one: what comes in, what goes to the guest.
//
// Each partition has one lock, taken inside the state lock where both are held and never the other way round. All
// functions are for the core that calls them unless they say otherwise.
#pragma once

#include <cstdint>
#include <optional>

#include "firmware/base/ids.hpp"
#include "firmware/monitor/register_access.hpp"
#include "hal/registers/esr_el2.hpp"

namespace monitor {

// The partition's controller as after power on. Preconditions: none of its cores runs, the state lock is held.
void reset_interrupts(base::PartitionId partition);
// A core begins to run a partition's code, or has run the last of it.
void enter_interrupts(base::CoreId core, base::PartitionId partition);
void leave_interrupts(base::CoreId core, base::PartitionId partition);

// A device changes hands: its interrupt is the partition's from now on, or no longer. State lock held.
void give_interrupt(base::PartitionId partition, base::Intid intid);
void take_interrupt(base::PartitionId partition, base::Intid intid);

// The physical interrupt was acknowledged on this core, which runs the partition. False: it is not one of its own.
[[nodiscard]] bool deliver_physical(base::CoreId core, base::PartitionId partition, base::Intid intid);
// Something may have changed for this core: it was kicked, or its list registers ran dry.
void refresh_interrupts(base::CoreId core, base::PartitionId partition);
// The doorbell for a partition, from any core.
void raise_message(base::PartitionId partition, base::Intid intid);
// The level of an interrupt that a device of the monitor's drives, one of the partition's own. State lock held.
void set_line(base::PartitionId partition, base::Intid intid, bool level);
// A message of a device that the monitor plays for the parent. State lock held.
void send_message_to_parent(base::Intid intid);
// A device's message for the parent arrived on this core, which runs `partition`.
void deliver_message(base::CoreId core, base::PartitionId partition, base::Intid intid);

// A load or store in the controller's registers; nothing: the address is none of them.
[[nodiscard]] std::optional<AccessResult> access_interrupt_registers(base::CoreId core, base::PartitionId partition,
                                                                     const RegisterAccess& access);
// MSR of ICC_SGI0R_EL1, ICC_SGI1R_EL1, ICC_ASGI1R_EL1 or ICC_DIR_EL1, which trap. False: it is another register.
[[nodiscard]] bool write_interrupt_register(base::CoreId core, base::PartitionId partition,
                                            const hal::registers::esr_el2::SystemRegisterAccess& access,
                                            std::uint64_t value);

}  // namespace monitor
