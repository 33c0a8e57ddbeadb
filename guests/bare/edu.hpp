// QEMU's edu device, used to try DMA: found in PCI configuration space, driven through its registers.
//
// Registers: docs/specs/edu.rst of QEMU. Its buffer of 4 KiB lies at 0x40000 in its own address space.
#pragma once

#include <cstdint>

namespace bare {

class Edu {
 public:
  // Slot 1 of bus 0, where the board's description puts it. False when it is not there.
  [[nodiscard]] bool find() const {
    if (*word(kConfiguration) != kIdentity) return false;
    *word(kConfiguration + 0x10) = static_cast<std::uint32_t>(kRegisters);  // BAR 0
    *word(kConfiguration + 0x04) = 0x6;                                       // memory space, bus master
    return *word(kRegisters) == 0x0100'00ED;
  }
  // Its interrupts become messages: `data` written to `address`. False when it has no MSI capability (PCI Local Bus 3.0, 6.8.1).
  [[nodiscard]] bool send_messages(std::uint64_t address, std::uint32_t data) const {
    constexpr std::uint64_t kFirstCapability = 0x34, kMsi = 0x05, kMostCapabilities = 48, kEnable = 1 << 16, k64Bits = 1 << 23;
    std::uint64_t at = *word(kConfiguration + kFirstCapability) & 0xFC;
    for (std::uint64_t seen = 0; at != 0 && seen < kMostCapabilities; ++seen) {
      const std::uint32_t head = *word(kConfiguration + at);
      if ((head & 0xFF) == kMsi && (head & k64Bits) != 0) {
        *word(kConfiguration + at + 4) = static_cast<std::uint32_t>(address);
        *word(kConfiguration + at + 8) = static_cast<std::uint32_t>(address >> 32);
        *word(kConfiguration + at + 12) = data;
        *word(kConfiguration + at) = head | kEnable;
        return true;
      }
      at = head >> 8 & 0xFC;
    }
    return false;
  }
  // The device interrupts; `cause` stays in its status until it is acknowledged.
  void interrupt(std::uint32_t cause) const { *word(kRegisters + 0x60) = cause; }
  void acknowledge(std::uint32_t cause) const { *word(kRegisters + 0x64) = cause; }
  // The device reads `size` bytes of memory into its buffer.
  void read_memory(std::uint64_t address, std::uint64_t size) const { transfer(address, kBuffer, size, kStart); }
  // The device writes its buffer to memory.
  void write_memory(std::uint64_t address, std::uint64_t size) const {
    transfer(kBuffer, address, size, kStart | kToMemory);
  }

 private:
  static constexpr std::uint64_t kConfiguration = 0x40'1000'8000;
  static constexpr std::uint64_t kRegisters = 0x1000'0000;
  static constexpr std::uint32_t kIdentity = 0x11E8'1234;
  static constexpr std::uint64_t kBuffer = 0x4'0000;
  static constexpr std::uint64_t kStart = 1, kToMemory = 2;

  static volatile std::uint32_t* word(std::uint64_t address) {
    return reinterpret_cast<volatile std::uint32_t*>(address);
  }
  static volatile std::uint64_t* wide(std::uint64_t offset) {
    return reinterpret_cast<volatile std::uint64_t*>(kRegisters + offset);
  }
  static void transfer(std::uint64_t from, std::uint64_t to, std::uint64_t size, std::uint64_t command) {
    asm volatile("dsb sy" : : : "memory");
    *wide(0x80) = from;
    *wide(0x88) = to;
    *wide(0x90) = size;
    *wide(0x98) = command;
    while ((*wide(0x98) & kStart) != 0) {
    }
    asm volatile("dsb sy" : : : "memory");
  }
};

}  // namespace bare
