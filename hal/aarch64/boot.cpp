// From start.S to the monitor: what each core sets up for itself, and what the boot core sets up for all.
#include <algorithm>
#include <cstring>

#include "firmware/measure/handover.hpp"
#include "hal/aarch64/machine.hpp"
#include "hal/aarch64/monitor_map.hpp"
#include "hal/aarch64/per_core.hpp"
#include "hal/aarch64/system_registers.hpp"
#include "hal/boot_data.hpp"
#include "hal/memory.hpp"
#include "hal/upcalls.hpp"

namespace hal::aarch64 {

extern "C" {
[[gnu::section(".bss.keep.stacks")]] CoreStack hal_core_stacks[kCores];
constinit PerCore hal_per_core[kCores]{};
extern const std::uint8_t __text_start[], __writable_end[];
[[noreturn]] void hal_boot_core_main(std::uint64_t index, std::uint64_t handover);
[[noreturn]] void hal_secondary_core_main(std::uint64_t index);
}

namespace {

constinit std::array<std::uint8_t, sizeof(measure::Handover)> handover_copy{};
constinit bool handover_present = false;

// start.S has made it, before there was memory to keep it in.
PointerKey key_in_use() {
  if (!signs_pointers()) return {};
  return {.low = HAL_READ_REGISTER(s3_0_c2_c1_0), .high = HAL_READ_REGISTER(s3_0_c2_c1_1)};  // APIAKey_EL1
}

void adopt_core(std::uint64_t index) {
  PerCore& core = hal_per_core[index];
  core.index = index;
  core.return_address_key = key_in_use();
  core.emergency_stack = reinterpret_cast<std::uint64_t>(&hal_core_stacks[index].guard_below_main);
  HAL_WRITE_REGISTER(tpidr_el2, reinterpret_cast<std::uint64_t>(&core));
  prepare_guest_controls();
  prepare_stage2_controls();
  prepare_core_interrupts();
  prepare_core_message_interrupts();
  core.online.store(true, std::memory_order_release);
}

// The ROM writes it into the monitor's RAM, outside the image. Anything else is taken for none.
void take_handover(std::uint64_t address) {
  constexpr std::uint64_t kRamBase = board::kBoard.monitor.base;
  constexpr std::uint64_t kRamSize = board::kBoard.monitor.size;
  const std::uint64_t pages = base::align_up(sizeof(measure::Handover), base::kFrameSize);
  if (!base::is_aligned(address, base::kFrameSize) || address < kRamBase || address - kRamBase >= kRamSize ||
      kRamSize - (address - kRamBase) < pages) {
    return;
  }
  const std::uint64_t image_first = reinterpret_cast<std::uint64_t>(__text_start);
  const std::uint64_t image_end = reinterpret_cast<std::uint64_t>(__writable_end);
  if (address < image_end && address + pages > image_first) return;
  hal::read_bytes(base::PhysAddr{address}, handover_copy);
  hal::scrub_frames(base::FrameRange::trusted(base::frame_of(base::PhysAddr{address}),
                                              base::FrameCount{pages >> base::kFrameShift}));
  handover_present = true;
}

}  // namespace

void hal_boot_core_main(std::uint64_t index, std::uint64_t handover) {
  prepare_interrupt_distributor();
  adopt_core(index);
  prepare_device_isolation();
  prepare_message_interrupts();
  prepare_clock();
  take_handover(handover);
  hal::monitor_main();
}

void hal_secondary_core_main(std::uint64_t index) {
  adopt_core(index);
  hal::monitor_core_main();
}

}  // namespace hal::aarch64

namespace hal {

base::MutableBytes handover() {
  if (!aarch64::handover_present) return {};
  return aarch64::handover_copy;
}

// 64 MiB into the parent's memory: behind its kernel, which is copied down to its entry.
std::optional<base::PhysAddr> payload() { return base::PhysAddr{board::kBoard.memory[0].base + 0x0400'0000}; }

}  // namespace hal
