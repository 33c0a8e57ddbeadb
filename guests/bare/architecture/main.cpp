// A guest that relies on Arm's architecture only, in place of Linux: it tries what an operating system uses, and prints
// PASS or FAIL for each on its UART, then "ARCHITECTURE p passed, f failed", and switches the machine off.
//
// Under a monitor and on the bare machine it must print the same.
#include "guests/bare/architecture/gic.hpp"
#include "guests/bare/architecture/machine.hpp"

namespace architecture {

namespace {

constexpr std::uint64_t kUart = 0x0900'0000;
std::uint64_t g_passed, g_failed;

void put(char letter) {
  while ((mmio<std::uint32_t>(kUart + 0x18) & 1U << 5) != 0) {  // FR.TXFF
  }
  mmio<std::uint32_t>(kUart) = static_cast<unsigned char>(letter);
}

}  // namespace

void print(std::string_view text) {
  for (const char letter : text) put(letter);
}
void print_hex(std::uint64_t value) {
  print("0x");
  int shift = 60;
  while (shift > 0 && (value >> shift & 0xF) == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) put("0123456789abcdef"[value >> shift & 0xF]);
}
void print_number(std::uint64_t value) {
  std::uint64_t divisor = 1;
  while (value / divisor >= 10) divisor *= 10;
  for (; divisor != 0; divisor /= 10) put(static_cast<char>('0' + value / divisor % 10));
}

void check(std::string_view name, bool passed, std::initializer_list<std::uint64_t> values) {
  ++(passed ? g_passed : g_failed);
  print(passed ? "PASS " : "FAIL ");
  print(name);
  if (!passed) {
    for (const std::uint64_t value : values) {
      print(" ");
      print_hex(value);
    }
  }
  print("\r\n");
}

extern "C" void exception_taken(std::uint64_t kind, Frame* frame) {
  Core& core = this_core();
  switch (static_cast<Exception>(kind % 4)) {
    case Exception::kIrq:
    case Exception::kFiq:
      core.interrupts[kind % 4 == 2] = core.interrupts[kind % 4 == 2] + 1;
      if (core.on_interrupt == nullptr) {
        frame->spsr |= 0xC0;  // nobody waits for it: not again
        return;
      }
      core.on_interrupt(core, static_cast<Exception>(kind % 4));
      return;
    case Exception::kSynchronous:
    case Exception::kSystemError:
      core.synchronous = core.synchronous + 1;
      core.esr = frame->esr;
      core.far = frame->far;
      if (core.on_synchronous != nullptr) {
        core.on_synchronous(core, *frame);
      } else if ((frame->esr >> 26 & 0x3F) == 0x21) {
        frame->elr = frame->x[30];  // a jump that could not be fetched
      } else {
        frame->elr += 4;
      }
      return;
  }
}

extern "C" void mmu_on();

extern "C" [[noreturn]] void guest_main(const std::uint64_t* record) {
  WRITE_REGISTER(tpidr_el1, reinterpret_cast<std::uint64_t>(&g_cores[0]));
  g_cores[0].mpidr = READ_REGISTER(mpidr_el1) & 0xFF'00FF'FFFF;
  note_first_state(g_cores[0]);
  print("ARCHITECTURE begins\r\n");
  check_entry(record);
  check_processor_without_mmu();
  mmu_on();
  check_processor();
  check_core_state();
  check_debug();
  check_firmware_calls();
  check_interrupts();
  check_timers();
  check_devices();
  check_cores();
  print("ARCHITECTURE ");
  print_number(g_passed);
  print(" passed, ");
  print_number(g_failed);
  print(" failed, ");
  print_number(g_core_count);
  print(" cores\r\n");
  call(kSystemOff);
  check("SYSTEM_OFF does not come back", false);
  while (true) asm volatile("wfi");
}

}  // namespace architecture
