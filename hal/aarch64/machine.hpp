// What the parts of this machine ask of one another; nobody outside hal/aarch64 includes it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "firmware/base/ids.hpp"
#include "firmware/base/result.hpp"

namespace hal::aarch64 {

// Once, on the boot core.
void prepare_interrupt_distributor();
void prepare_device_isolation();
void prepare_clock();
void prepare_message_interrupts();  // after the boot core's own part
// Once on every core.
void prepare_guest_controls();
void prepare_stage2_controls();
void prepare_core_interrupts();
void prepare_core_message_interrupts();  // after prepare_core_interrupts(); the boot core first

[[nodiscard]] std::uint64_t redistributor_frame(std::size_t core);  // 0: the machine has no such core

void reset_virtual_interrupts();  // this core's list registers empty, its virtual interface as out of reset

// Stage 2, as vcpu.cpp and smmu.cpp use it.
void enter_address_space(base::PartitionId partition);  // VTTBR_EL2; its TLB here flushed. Precondition: created
void leave_address_space();                             // this core's TLB of it flushed; then no partition's tables
[[nodiscard]] base::Result<base::FrameNumber> stage2_root(base::PartitionId partition);
[[nodiscard]] bool repeats_invalidation();  // CVE-2025-10263 on a core that runs by now
void wait_for_table_change();           // until no descriptor is invalid for a moment only (break-before-make)
[[nodiscard]] std::uint64_t physical_size_code();  // as in VTCR_EL2.PS

// True when any stream is attached to the partition: then the SMMU walks its tables as well.
[[nodiscard]] bool has_streams(base::PartitionId partition);

[[nodiscard]] bool signs_pointers();  // this core has pointer authentication

// An interrupt that tells this core to stop for good (hal::halt() on another core).
[[nodiscard]] bool is_halting();
[[noreturn]] void stop_this_core();
inline constexpr base::Intid kStopInterrupt{6};
// An interrupt that ends wait_for_event() on another core.
inline constexpr base::Intid kWakeInterrupt{5};
[[nodiscard]] bool drop_late_wake();  // true: it is what interrupted the guest; it came too late, the core woke before
void drop_pending_sgis();
void send_sgi(std::size_t core, base::Intid intid);

// MSR, MRS of the registers that describe the core: answered here, because only the machine knows them.
struct Identification {
  bool known;
  std::uint64_t value;
};
[[nodiscard]] Identification read_identification(std::uint32_t encoding);
[[nodiscard]] bool ignores_writes(std::uint32_t encoding);

void reset_self_hosted_debug();  // this core's breakpoints and watchpoints off and empty

}  // namespace hal::aarch64
