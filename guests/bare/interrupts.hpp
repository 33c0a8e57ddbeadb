// Interrupts of a guest that masks them: the doorbell that ends a WFI, the virtual timer, a device's messages.
//
// GICv3 (Arm IHI 0069) at the addresses of the board; core 0 only: what is pending wakes it and is then taken by hand.
#pragma once

#include <cstdint>

#include "firmware/hypercall/abi.hpp"

namespace bare {

inline constexpr std::uint64_t kDistributor = 0x0800'0000;
inline constexpr std::uint64_t kPrivateInterrupts = 0x080B'0000;  // the SGI frame of core 0's redistributor
inline constexpr std::uint32_t kVirtualTimer = 27;
// Where devices write messages, GICD_SETSPI_NSR, and the first of the INTIDs that they may name: mbi-ranges of the
// parent's device tree.
inline constexpr std::uint64_t kMessageRegister = kDistributor + 0x40;
inline constexpr std::uint32_t kFirstMessage = 224;

inline void write_gic(std::uint64_t address, std::uint32_t value) {
  asm volatile("str %w1, [%0]" : : "r"(address), "r"(value) : "memory");
}

inline void enable_cpu_interface() {
  write_gic(kDistributor, 1U << 1);                                           // GICD_CTLR.EnableGrp1
  asm volatile("msr s3_0_c12_c12_5, %0; isb" : : "r"(std::uint64_t{1}));      // ICC_SRE_EL1.SRE
  asm volatile("msr s3_0_c4_c6_0, %0" : : "r"(std::uint64_t{0xFF}));          // ICC_PMR_EL1
  asm volatile("msr s3_0_c12_c12_7, %0; isb" : : "r"(std::uint64_t{1}));      // ICC_IGRPEN1_EL1
}

inline void enable_timer_interrupt() {
  enable_cpu_interface();
  write_gic(kPrivateInterrupts + 0x0080, 1U << kVirtualTimer);  // GICR_IGROUPR0
  write_gic(kPrivateInterrupts + 0x0100, 1U << kVirtualTimer);  // GICR_ISENABLER0
}

// A message-based SPI: edge-triggered, to core 0 as the route after reset says.
[[maybe_unused]] inline void enable_message(std::uint32_t intid) {
  const std::uint64_t word = intid / 32 * 4;
  enable_cpu_interface();
  write_gic(kDistributor + 0x0C00 + intid / 16 * 4, 2U << (intid % 16 * 2));  // GICD_ICFGR
  write_gic(kDistributor + 0x0080 + word, 1U << (intid % 32));                // GICD_IGROUPR
  write_gic(kDistributor + 0x0100 + word, 1U << (intid % 32));                // GICD_ISENABLER
}

// Acknowledges and ends what is pending; its INTID, 1023 when nothing is.
[[maybe_unused]] inline std::uint64_t take_interrupt() {
  std::uint64_t intid = 0;
  asm volatile("mrs %0, s3_0_c12_c12_0; dsb sy" : "=r"(intid) : : "memory");  // ICC_IAR1_EL1
  if (intid < 1020) asm volatile("msr s3_0_c12_c12_1, %0; isb" : : "r"(intid) : "memory");  // ICC_EOIR1_EL1
  return intid;
}

// The doorbell to this core, at the highest priority; its affinity must be 0.0.0.0, as the route after reset says.
inline void enable_doorbell() {
  constexpr std::uint64_t kWord = cofferdam_abi::kDoorbell / 32 * 4;
  constexpr std::uint32_t kBit = 1U << (cofferdam_abi::kDoorbell % 32);
  enable_cpu_interface();
  write_gic(kDistributor + 0x0080 + kWord, kBit);  // GICD_IGROUPR
  write_gic(kDistributor + 0x0100 + kWord, kBit);  // GICD_ISENABLER
}

// Sleeps until the doorbell has rung, perhaps before, and takes it.
inline void wait_for_doorbell() {
  asm volatile("dsb sy; wfi" : : : "memory");
  take_interrupt();
}

}  // namespace bare
