// PSCI calls to the ROM (Arm DEN 0022): it keeps the cores that nobody started, and the power.
#include "hal/power.hpp"

#include "hal/aarch64/machine.hpp"
#include "hal/aarch64/per_core.hpp"
#include "hal/cpu.hpp"

namespace hal::power {

extern "C" void hal_secondary_start();

namespace {

constexpr std::uint64_t kCpuOn = 0xC400'0003;
constexpr std::uint64_t kSystemOff = 0x8400'0008;
constexpr std::uint64_t kSystemReset = 0x8400'0009;

std::int64_t call_rom(std::uint64_t function, std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  register std::uint64_t x0 asm("x0") = function;
  register std::uint64_t x1 asm("x1") = a;
  register std::uint64_t x2 asm("x2") = b;
  register std::uint64_t x3 asm("x3") = c;
  // SMCCC 1.0 lets a callee change x4..x17.
  asm volatile("smc #0"
               : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
               :
               : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "memory");
  return static_cast<std::int64_t>(x0);
}

}  // namespace

base::Status start_core(base::CoreId core) {
  if (core.value >= aarch64::kCores) return base::Error::kDeviceTimeout;
  aarch64::PerCore& target = aarch64::hal_per_core[core.value];
  if (target.online.load(std::memory_order_acquire)) return {};
  // The core runs with its caches off until its MMU is on: everything it reads before must lie in memory. The tables
  // were written with the caches off; the text was never dirty.
  if (call_rom(kCpuOn, board::kBoard.cores[core.value].mpidr, reinterpret_cast<std::uint64_t>(&hal_secondary_start),
               core.value) != 0) {
    return base::Error::kDeviceTimeout;
  }
  const std::uint64_t start = ticks();
  const std::uint64_t limit = 10 * ticks_per_second();  // an emulated core may have to wait for a real one
  while (ticks() - start < limit) {
    if (target.online.load(std::memory_order_acquire)) return {};
    relax();
  }
  return base::Error::kDeviceTimeout;
}

void system_off() {
  call_rom(kSystemOff, 0, 0, 0);
  halt();
}

void system_reset() {
  call_rom(kSystemReset, 0, 0, 0);
  halt();
}

}  // namespace hal::power
