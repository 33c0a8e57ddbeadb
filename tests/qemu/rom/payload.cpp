// What the stand-in prints on UART0, one fact a line, for boot.py to check. Runs with the MMU off: no unaligned access.
#include <cstdint>

#include "firmware/measure/handover.hpp"

extern "C" {
extern std::uint64_t entry_registers[31];
extern volatile std::uint64_t seen_syndrome;
extern volatile std::uint64_t el1_answer;
std::int64_t payload_smc(std::uint64_t function, std::uint64_t x1, std::uint64_t x2, std::uint64_t x3);
std::int64_t payload_smc8(const std::uint64_t* registers);
void payload_other_core();
void payload_visit_el1();
void payload_try_sve();
void payload_try_sme();
[[noreturn]] void payload_main();
[[noreturn]] void payload_other_main(std::uint64_t context);
}

namespace {

constexpr std::uint64_t kUart = 0x0900'0000;
constexpr std::uint64_t kVersion = 0x8400'0000, kCpuOff = 0x8400'0002, kCpuOn = 0xc400'0003;
constexpr std::uint64_t kAffinityInfo = 0xc400'0004, kSystemOff = 0x8400'0008, kSystemReset = 0x8400'0009;
constexpr std::uint64_t kConsoleWrite = 0xc300'0001;

volatile std::uint32_t& device_register(std::uint64_t address) {
  return *reinterpret_cast<volatile std::uint32_t*>(address);
}
void put(char character) {
  while ((device_register(kUart + 0x18) & 0x20) != 0) {
  }
  device_register(kUart) = static_cast<unsigned char>(character);
}
void put(const char* text) {
  while (*text != '\0') put(*text++);
}
void put_hex(std::uint64_t value, int digits) {
  while (digits-- > 0) put("0123456789abcdef"[value >> (4 * digits) & 15]);
}
void fact(const char* name, std::uint64_t value) {
  put(name);
  put(' ');
  put_hex(value, 16);
  put('\n');
}
void answer(const char* name, std::int64_t value) { fact(name, static_cast<std::uint64_t>(value)); }

std::uint64_t syndrome_of(std::uint64_t address) {
  seen_syndrome = 0;
  [[maybe_unused]] const std::uint32_t value = device_register(address);
  return seen_syndrome;
}

template <typename Id>
std::uint64_t entry_of(Id function) {
  return reinterpret_cast<std::uint64_t>(function);
}

std::int64_t write_through_rom(const char* text, std::uint64_t claimed_size) {
  std::uint64_t registers[8] = {kConsoleWrite, 0, 0, 0, 0, 0, 0, claimed_size};
  for (std::uint64_t i = 0; text[i] != '\0'; ++i) {
    registers[1 + i / 8] |= std::uint64_t{static_cast<unsigned char>(text[i])} << (i % 8 * 8);
  }
  return payload_smc8(registers);
}

volatile std::uint32_t turn = 0;  // other cores print one after another
volatile std::uint32_t writing = 0;  // not 0: the cores write through the ROM, all at once

constexpr std::uint32_t kLinesOfEach = 50;

// 48 bytes, so that one call is one line: "core N: " and the same letter to the end.
void write_lines_of(std::uint64_t core) {
  for (std::uint32_t line = 0; line < kLinesOfEach; ++line) {
    char text[49] = "core N: ";
    text[5] = static_cast<char>('0' + core);
    for (std::uint32_t i = 8; i < 47; ++i) text[i] = static_cast<char>('a' + core);
    text[47] = '\n';
    text[48] = '\0';
    if (write_through_rom(text, 48) != 0) put("a line of the ROM's was refused\n");
  }
}

void wait_for_turn(std::uint32_t value) {
  for (std::uint32_t i = 0; turn != value && i < 400'000'000; ++i) {
  }
}

std::uint64_t system_register_el2() {
  std::uint64_t level = 0;
  asm volatile("mrs %0, currentel" : "=r"(level));
  return level;
}

void print_handover() {
  put("handover ");
  const auto* bytes = reinterpret_cast<const volatile unsigned char*>(entry_registers[0]);
  for (std::uint64_t i = 0; i < sizeof(measure::Handover); ++i) put_hex(bytes[i], 2);
  put('\n');
}

void call_the_rom() {
  answer("psci_version", payload_smc(kVersion, 0, 0, 0));
  answer("unknown_call", payload_smc(0x8400'00ff, 0, 0, 0));
  answer("wide_call", payload_smc(0x1'8400'0000, 0, 0, 0));
  answer("on_unknown_core", payload_smc(kCpuOn, 0x80, entry_of(payload_other_core), 0));
  answer("on_wild_core", payload_smc(kCpuOn, ~std::uint64_t{0}, entry_of(payload_other_core), 0));
  answer("on_outside_image", payload_smc(kCpuOn, 1, 0x5000'0000, 0));
  answer("on_in_secure_ram", payload_smc(kCpuOn, 1, 0x0e00'1000, 0));
  answer("on_unaligned", payload_smc(kCpuOn, 1, entry_of(payload_other_core) + 2, 0));
  answer("on_self", payload_smc(kCpuOn, 0, entry_of(payload_other_core), 0));
  answer("info_self", payload_smc(kAffinityInfo, 0, 0, 0));
  answer("info_off", payload_smc(kAffinityInfo, 1, 0, 0));
  answer("info_level", payload_smc(kAffinityInfo, 1, 1, 0));
  answer("text", write_through_rom("payload: text by way of the ROM, 48 bytes long.\n", 48));
  answer("text_too_long", write_through_rom("payload: not shown\n", 49));
  answer("text_with_escape", write_through_rom("payload: \x1b[1mnot shown\n", 22));
  answer("text_hidden", write_through_rom("payload: not shown\n", 9));
  payload_visit_el1();
  fact("smc_from_el1", el1_answer);
  seen_syndrome = 0;
  payload_try_sve();
  fact("sve_syndrome", seen_syndrome);
  seen_syndrome = 0;
  payload_try_sme();
  fact("sme_syndrome", seen_syndrome);
}

void start_cores() {
  for (std::uint64_t round = 0; round < 2; ++round) {
    for (std::uint64_t core = 1; core < 4; ++core) {
      turn = 0;
      const std::int64_t started = payload_smc(kCpuOn, core, entry_of(payload_other_core), 0x1000 * (round + 1) + core);
      wait_for_turn(1);  // the other core prints first
      answer("on", started);
      answer("info_on", payload_smc(kAffinityInfo, core, 0, 0));
      answer("on_again", payload_smc(kCpuOn, core, entry_of(payload_other_core), 0));
      turn = 2;
      std::uint32_t tries = 0;
      while (payload_smc(kAffinityInfo, core, 0, 0) != 1 && ++tries < 10'000'000) {
      }
      answer("info_off_again", payload_smc(kAffinityInfo, core, 0, 0));
    }
  }
}

}  // namespace

void payload_main() {
  put("payload runs\n");
  fact("current_el", system_register_el2());
  std::uint64_t others = 0;
  for (int i = 1; i < 30; ++i) others |= entry_registers[i];
  fact("x0", entry_registers[0]);
  fact("x1_to_x29", others);
  std::uint64_t sctlr = 0;
  asm volatile("mrs %0, sctlr_el2" : "=r"(sctlr));
  fact("sctlr_el2", sctlr);
  std::uint64_t frequency = 0;
  asm volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
  fact("cntfrq", frequency);
  print_handover();
  fact("read_secure_ram", syndrome_of(0x0e00'1000));
  fact("read_uds", syndrome_of(0x0004'0000));
  fact("read_rom", syndrome_of(0x0000'1000));
  fact("read_secure_uart", syndrome_of(0x0904'0000));
  fact("read_power_pins", syndrome_of(0x090b'0000));
  fact("smmu_gbpa", device_register(0x0905'0044));
  // The interrupt groups are not ours to see or change, the interrupts are ours to enable.
  device_register(0x0800'0084) = 0;  // GICD_IGROUPR1
  fact("gic_group1", device_register(0x0800'0084));
  device_register(0x0800'0104) = 0xffff'ffff;  // GICD_ISENABLER1: SPIs 32 to 63
  fact("gic_spis", device_register(0x0800'0104));
  device_register(0x080b'0100) = 0xffff'ffff;  // GICR_ISENABLER0 of core 0: SGIs and PPIs
  fact("gic_private", device_register(0x080b'0100));
  call_the_rom();
  start_cores();
  writing = 1;
  for (std::uint64_t core = 1; core < 4; ++core) payload_smc(kCpuOn, core, entry_of(payload_other_core), core);
  write_lines_of(0);
  for (std::uint64_t core = 1; core < 4; ++core) {
    std::uint32_t tries = 0;
    while (payload_smc(kAffinityInfo, core, 0, 0) != 1 && ++tries < 10'000'000) {
    }
  }
  put("payload ends\n");
  payload_smc(kSystemOff, 0, 0, 0);
  while (true) {
  }
}

void payload_other_main(std::uint64_t context) {
  std::uint64_t affinity = 0;
  asm volatile("mrs %0, mpidr_el1" : "=r"(affinity));
  if (writing != 0) {
    write_lines_of(context);
    payload_smc(kCpuOff, 0, 0, 0);
  }
  fact("core_runs", affinity & 0xff);
  fact("core_level", system_register_el2());
  fact("core_context", context);
  turn = 1;
  wait_for_turn(2);
  payload_smc(kCpuOff, 0, 0, 0);
  put("cpu_off returned\n");
  while (true) {
  }
}
