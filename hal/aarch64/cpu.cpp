// This core, its counter, waiting for others, and the end.
#include "hal/cpu.hpp"

#include "hal/aarch64/machine.hpp"
#include "hal/aarch64/per_core.hpp"
#include "hal/aarch64/system_registers.hpp"
#include "hal/alarm.hpp"
#include "hal/registers/guest_identification.hpp"

namespace hal {

namespace aarch64 {

extern "C" {
extern std::uint8_t __secrets_start[], __secrets_end[];
}

namespace {

// Outside .data and .bss, which the core that halts wipes.
[[gnu::section(".bss.keep.halt")]] constinit std::atomic<bool> halting{};

void wipe_secrets() {
  for (std::uint64_t at = reinterpret_cast<std::uint64_t>(__secrets_start);
       at < reinterpret_cast<std::uint64_t>(__secrets_end); at += 16) {
    asm volatile("stp xzr, xzr, [%0]" : : "r"(at) : "memory");
  }
  dsb_sy();
}

}  // namespace

bool signs_pointers() {  // as start.S asks
  namespace identification = registers::guest_identification;
  return (HAL_READ_REGISTER(id_aa64isar1_el1) & identification::kHasPointerAuthentication1) != 0 ||
         (HAL_READ_REGISTER(s3_0_c0_c6_2) & identification::kHasPointerAuthentication2) != 0;
}

bool is_halting() { return halting.load(std::memory_order_acquire); }

void stop_this_core() {
  asm volatile("msr daifset, #0xf" : : : "memory");
  for (;;) asm volatile("wfi" : : : "memory");
}

}  // namespace aarch64

base::CoreId current_core() { return base::CoreId{static_cast<std::uint8_t>(aarch64::this_core().index)}; }

void relax() { asm volatile("yield" : : : "memory"); }

// As WFE and SEV, but the core sleeps for good instead of polling: the event is a flag of each core, and who sleeps is
// woken by an interrupt. The flag is looked at after `sleeping` is set and set before `sleeping` is looked at, so no
// signal is lost. Interrupts are masked here: one that is pending ends WFI all the same.
void wait_for_event() {
  aarch64::PerCore& core = aarch64::this_core();
  core.sleeping.store(true);
  if (!core.event.load()) asm volatile("dsb sy; wfi" : : : "memory");
  core.sleeping.store(false);
  core.event.store(false);
  aarch64::drop_pending_sgis();
  if (aarch64::is_halting()) aarch64::stop_this_core();
}

void signal_cores() {
  for (std::size_t i = 0; i < aarch64::kCores; ++i) {
    aarch64::PerCore& core = aarch64::hal_per_core[i];
    core.event.store(true);
    if (core.sleeping.load()) aarch64::send_sgi(i, aarch64::kWakeInterrupt);
  }
}

std::uint64_t ticks() {
  aarch64::isb();  // not before what comes before it
  return HAL_READ_REGISTER(cntpct_el0);
}

std::uint64_t ticks_per_second() { return HAL_READ_REGISTER(cntfrq_el0); }

// The EL2 physical timer: asserted while enabled, unmasked and CNTPCT_EL0 >= the compare value (Arm ARM, CNTHP_CTL_EL2).
void set_alarm(std::uint64_t tick) {
  HAL_WRITE_REGISTER(cnthp_cval_el2, tick);
  HAL_WRITE_REGISTER(cnthp_ctl_el2, 1);
  aarch64::isb();
}

void clear_alarm() {
  HAL_WRITE_REGISTER(cnthp_ctl_el2, 0);
  aarch64::isb();
}

CoreProtections core_protections() {
  return {.repeat_tlbi = aarch64::repeats_invalidation(),
          .pointer_authentication = aarch64::signs_pointers(),
          .branch_targets = (HAL_READ_REGISTER(id_aa64pfr1_el1) & 0xF) != 0};
}

void halt() {
  // Guests on other cores run on behind their stage 2 until the interrupt takes them into the monitor for good. A
  // core that is inside the monitor now stops at its next lock, which this core still holds, or at that interrupt.
  aarch64::halting.store(true, std::memory_order_release);
  for (std::size_t core = 0; core < aarch64::kCores; ++core) {
    if (core != aarch64::this_core().index) aarch64::send_sgi(core, aarch64::kStopInterrupt);
  }
  aarch64::wipe_secrets();
  aarch64::stop_this_core();
}

}  // namespace hal
