#include "firmware/rom/machine.hpp"

#include "firmware/rom/layout.hpp"
#include "firmware/rom/mmio.hpp"

namespace rom::machine {
namespace {

// PL011 (Arm DDI 0183): offsets and bits.
constexpr std::uint64_t kUartData = layout::kSecureUart + 0x000;
constexpr std::uint64_t kUartFlags = layout::kSecureUart + 0x018;
constexpr std::uint64_t kUartIntegerBaud = layout::kSecureUart + 0x024;
constexpr std::uint64_t kUartFractionalBaud = layout::kSecureUart + 0x028;
constexpr std::uint64_t kUartLineControl = layout::kSecureUart + 0x02c;
constexpr std::uint64_t kUartControl = layout::kSecureUart + 0x030;
constexpr std::uint32_t kUartTransmitFull = 1 << 5;
constexpr std::uint32_t kUart8BitsFifo = 0x70;
constexpr std::uint32_t kUartPolls = 100'000;  // a character takes 87 us at this rate
constexpr std::uint32_t kUartTransmitOn = 0x101;  // UARTEN | TXE: there is no input

// PL061 (Arm DDI 0190). Bits 2..9 of the address of the data register say which pins a write changes.
constexpr std::uint64_t kGpioDirection = layout::kSecureGpio + 0x400;
constexpr std::uint32_t kPinPowerOff = 0;
constexpr std::uint32_t kPinRestart = 1;

[[noreturn]] void raise_pin(std::uint32_t pin) {
  const std::uint32_t mask = std::uint32_t{1} << pin;
  mmio_write(kGpioDirection, mmio_read(kGpioDirection) | mask);
  mmio_write(layout::kSecureGpio + (std::uint64_t{mask} << 2), 0);
  mmio_write(layout::kSecureGpio + (std::uint64_t{mask} << 2), mask);
  while (true) asm volatile("wfi");
}

std::uint64_t smallest_cache_line() {
  std::uint64_t type = 0;
  asm volatile("mrs %0, ctr_el0" : "=r"(type));
  return std::uint64_t{4} << (type >> 16 & 0xf);  // DminLine: log2 of words
}

}  // namespace

void console_start() {
  mmio_write(kUartControl, 0);
  mmio_write(kUartIntegerBaud, 13);  // 115200 from 24 MHz
  mmio_write(kUartFractionalBaud, 1);
  mmio_write(kUartLineControl, kUart8BitsFifo);
  mmio_write(kUartControl, kUartTransmitOn);
}

void console_write_character(char character) {
  if (character == '\n') console_write_character('\r');
  for (std::uint32_t poll = 0; poll < kUartPolls; ++poll) {
    if ((mmio_read(kUartFlags) & kUartTransmitFull) != 0) continue;
    mmio_write(kUartData, static_cast<std::uint8_t>(character));
    return;
  }
}

void console_write(std::string_view text) {
  for (const char character : text) console_write_character(character);
}

void console_write_hex(std::uint64_t value) {
  console_write("0x");
  for (int shift = 60; shift >= 0; shift -= 4) {
    const char digit = "0123456789abcdef"[(value >> shift) & 0xf];
    console_write(std::string_view{&digit, 1});
  }
}

void power_off() { raise_pin(kPinPowerOff); }
void restart() { raise_pin(kPinRestart); }

base::Bytes rom_code() {
  return {reinterpret_cast<const std::uint8_t*>(layout::kFlashAlias + layout::kCodeBase), layout::kCodeSize};
}
base::Bytes identity_area() {
  return {reinterpret_cast<const std::uint8_t*>(layout::kFlashAlias + layout::kIdentityBase), layout::kIdentitySize};
}
base::Bytes firmware_package() {
  return {reinterpret_cast<const std::uint8_t*>(layout::kPackageBase), layout::kPackageSize};
}
base::Bytes machine_tree() {
  return {reinterpret_cast<const std::uint8_t*>(layout::kMachineTree), layout::kMachineTreeSize};
}
base::MutableBytes monitor_memory(std::uint64_t address, std::uint64_t size) {
  return {reinterpret_cast<std::uint8_t*>(address), size};
}

void publish(base::Bytes memory) {
  const std::uint64_t size = smallest_cache_line();
  const auto start = reinterpret_cast<std::uint64_t>(memory.data()) & ~(size - 1);
  const auto end = reinterpret_cast<std::uint64_t>(memory.data()) + memory.size();
  for (std::uint64_t line = start; line < end; line += size) asm volatile("dc civac, %0" ::"r"(line) : "memory");
  asm volatile("dsb sy; ic ialluis; dsb sy; isb" ::: "memory");
}

}  // namespace rom::machine
