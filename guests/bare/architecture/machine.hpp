// The machine as a guest finds it that knows Arm's architecture and this board's addresses: nothing here is the
// monitor's own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace architecture {

#define READ_REGISTER(name)                                     \
  ([] {                                                         \
    std::uint64_t value_;                                       \
    asm volatile("mrs %0, " #name : "=r"(value_) : : "memory"); \
    return value_;                                              \
  }())
#define WRITE_REGISTER(name, value) \
  asm volatile("msr " #name ", %0\n\tisb" : : "r"(static_cast<std::uint64_t>(value)) : "memory")

template <typename Word>
volatile Word& mmio(std::uint64_t address) {
  return *reinterpret_cast<volatile Word*>(address);
}

inline void barrier() { asm volatile("dsb sy\n\tisb" : : : "memory"); }
inline void unmask(bool irq, bool fiq) {
  if (irq) asm volatile("msr daifclr, #2" : : : "memory");
  if (fiq) asm volatile("msr daifclr, #1" : : : "memory");
  asm volatile("isb" : : : "memory");
}
inline void mask() { asm volatile("msr daifset, #3\n\tisb" : : : "memory"); }

// ---- Exceptions and cores -----------------------------------------------------------------------------------

struct Frame {  // as start.S lays it
  std::uint64_t x[31];
  std::uint64_t elr, spsr, esr, far;
};
enum class Exception : std::uint64_t { kSynchronous, kIrq, kFiq, kSystemError };

struct Core;
using SynchronousHook = void (*)(Core&, Frame&);
using InterruptHook = void (*)(Core&, Exception);

struct Core {
  std::uint64_t stack;  // start.S reads these two
  void (*run)(Core&);
  std::uint64_t mpidr;
  std::uint64_t redistributor;
  volatile std::uint64_t synchronous;  // exceptions taken; the last one's syndrome and address
  volatile std::uint64_t esr, far;
  SynchronousHook on_synchronous;  // none: step over the instruction
  InterruptHook on_interrupt;
  volatile std::uint64_t interrupts[2];  // IRQs, FIQs
  volatile std::uint64_t last_intid;
  volatile std::uint64_t depth, deepest;
  volatile std::uint64_t alive;  // what other cores are told
  volatile std::uint64_t heard;  // SGIs of the cores' tests
  volatile std::uint64_t starts;
  volatile std::uint64_t left_behind;  // bytes that were in keys and vectors when the core started
  volatile std::uint64_t state_lost;   // bytes of them that were not there any more when they were looked at
};

constexpr std::size_t kMostCores = 8;
inline Core g_cores[kMostCores];
inline std::size_t g_core_count = 1;

inline Core& this_core() { return *reinterpret_cast<Core*>(READ_REGISTER(tpidr_el1)); }

// ---- Time, bounded waits ------------------------------------------------------------------------------------

inline std::uint64_t now() {
  asm volatile("isb" : : : "memory");
  return READ_REGISTER(cntvct_el0);
}
inline std::uint64_t ticks_of(std::uint64_t microseconds) {
  return READ_REGISTER(cntfrq_el0) * microseconds / 1'000'000;
}

template <typename Condition>
bool wait_for(const Condition& holds, std::uint64_t microseconds = 2'000'000) {
  const std::uint64_t end = now() + ticks_of(microseconds);
  while (!holds()) {
    if (now() > end) return holds();
  }
  return true;
}
inline void pause(std::uint64_t microseconds) {
  wait_for([] { return false; }, microseconds);
}

// ---- Calls to firmware (SMCCC) ------------------------------------------------------------------------------

struct Answer {
  std::uint64_t x[4];
  [[nodiscard]] std::int64_t status() const { return static_cast<std::int64_t>(x[0]); }
  [[nodiscard]] std::int32_t status32() const { return static_cast<std::int32_t>(x[0]); }
};
inline Answer call(std::uint64_t function, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0) {
  register std::uint64_t x0 asm("x0") = function;
  register std::uint64_t x1 asm("x1") = a;
  register std::uint64_t x2 asm("x2") = b;
  register std::uint64_t x3 asm("x3") = c;
  asm volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
  return {{x0, x1, x2, x3}};
}
inline constexpr std::uint64_t kPsciVersion = 0x8400'0000, kCpuSuspend = 0xC400'0001, kCpuOff = 0x8400'0002,
                               kCpuOn = 0xC400'0003, kAffinityInfo = 0xC400'0004, kMigrateInfoType = 0x8400'0006,
                               kSystemOff = 0x8400'0008, kPsciFeatures = 0x8400'000A, kSmcccVersion = 0x8000'0000,
                               kSmcccFeatures = 0x8000'0001, kTrngVersion = 0x8400'0050, kTrngFeatures = 0x8400'0051,
                               kTrngRandom = 0xC400'0053;

// ---- Results ------------------------------------------------------------------------------------------------

void print(std::string_view text);
void print_hex(std::uint64_t value);
// One line on the UART: PASS name, or FAIL name and the values, of which a reader knows the meaning from the source.
void check(std::string_view name, bool passed, std::initializer_list<std::uint64_t> values = {});

void check_entry(const std::uint64_t* record);
// Keys and vectors (core_state.cpp): noted before anything uses them, then given marks, then looked at, as often as one likes.
void note_first_state(Core& core);
void hold_state(Core& core, std::uint64_t seed);
void look_at_state(Core& core);

void check_processor_without_mmu();
void check_processor();
void check_debug();
void check_interrupts();
void check_timers();
void check_devices();
void check_firmware_calls();
void check_cores();
void check_core_state();

}  // namespace architecture
