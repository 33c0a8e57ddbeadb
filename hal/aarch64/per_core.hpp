// What each core has for itself: its number, stacks, and the places where it keeps a guest's registers.
//
// TPIDR_EL2 points at the core's entry from its first compiled instruction on. start.S and vectors.S know the offsets
// of the first fields and the layout of a stack; the static_asserts below tie them.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "board_tables.hpp"
#include "hal/vcpu.hpp"

namespace hal::aarch64 {

inline constexpr std::size_t kCores = board::kBoard.cores.size();

// floating_point_registers.S knows the layout; both arrays have room for the longest vectors of the architecture, 2048 bits.
struct alignas(16) FloatingPointState {
  std::uint64_t fpcr{};
  std::uint64_t fpsr{};
  std::array<std::uint8_t, 32 * std::size_t{256}> vectors{};   // q0..q31 or z0..z31
  std::array<std::uint8_t, 17 * std::size_t{32}> predicates{};  // p0..p15, FFR
};
static_assert(offsetof(FloatingPointState, vectors) == 16);
static_assert(offsetof(FloatingPointState, predicates) == 16 + 32 * 256);

// A pointer-authentication key, 128 bits.
struct PointerKey {
  std::uint64_t low{};
  std::uint64_t high{};
};

struct alignas(64) PerCore {
  std::uint64_t emergency_stack{};  // top of the stack that the monitor's own exceptions use
  std::uint64_t index{};
  PointerKey return_address_key{};  // in APIAKey_EL1 while the monitor runs; low 0: this core signs no pointers
  std::uint64_t vector_bytes{};  // of its guest's SVE registers; 0: the guest has none, and they trap
  FloatingPointState guest_floating_point{};
  std::atomic<bool> online{};
  std::atomic<bool> event{};        // wait_for_event() returns at once
  std::atomic<bool> sleeping{};     // inside wait_for_event(): needs an interrupt to wake
};
static_assert(offsetof(PerCore, emergency_stack) == 0);
static_assert(offsetof(PerCore, index) == 8);
static_assert(offsetof(PerCore, return_address_key) == 16);

// Guards are left out of the monitor's map: running into one is an exception, taken on the emergency stack.
struct alignas(4096) CoreStack {
  std::array<std::uint8_t, 0x1000> guard_below_emergency;
  std::array<std::uint8_t, 0x3000> emergency;
  std::array<std::uint8_t, 0x1000> guard_below_main;
  std::array<std::uint8_t, 0x1B000> main;
};
static_assert(sizeof(CoreStack) == 0x20000);  // CORE_STACK_STRIDE in start.S

extern "C" CoreStack hal_core_stacks[kCores];
extern "C" PerCore hal_per_core[kCores];

[[nodiscard]] inline PerCore& this_core() {
  PerCore* core = nullptr;
  asm("mrs %0, tpidr_el2" : "=r"(core));
  return *core;
}

[[nodiscard]] consteval std::size_t boot_core() {
  for (std::size_t i = 0; i < kCores; ++i) {
    if (board::kBoard.cores[i].boot) return i;
  }
  return 0;
}

}  // namespace hal::aarch64
