// The doorbell as an interrupt: a core that sleeps in WFI wakes when a channel of its partition is notified.
//
// GICv3 (Arm IHI 0069) at the addresses of the board; one core, interrupts masked: what is pending wakes and is then taken
// by hand.
#pragma once

#include <cstdint>

#include "firmware/hypercall/abi.hpp"

namespace bare {

inline constexpr std::uint64_t kDistributor = 0x0800'0000;

// The doorbell to this core, at the highest priority; its affinity must be 0.0.0.0, as the route after reset says.
inline void enable_doorbell() {
  constexpr std::uint64_t kWord = cofferdam_abi::kDoorbell / 32 * 4;
  constexpr std::uint32_t kBit = 1U << (cofferdam_abi::kDoorbell % 32);
  const auto write = [](std::uint64_t offset, std::uint32_t value) {
    asm volatile("str %w1, [%0]" : : "r"(kDistributor + offset), "r"(value) : "memory");
  };
  write(0x0000, 1U << 1);        // GICD_CTLR.EnableGrp1
  write(0x0080 + kWord, kBit);   // GICD_IGROUPR
  write(0x0100 + kWord, kBit);   // GICD_ISENABLER
  asm volatile("msr s3_0_c12_c12_5, %0; isb" : : "r"(std::uint64_t{1}));      // ICC_SRE_EL1.SRE
  asm volatile("msr s3_0_c4_c6_0, %0" : : "r"(std::uint64_t{0xFF}));          // ICC_PMR_EL1
  asm volatile("msr s3_0_c12_c12_7, %0; isb" : : "r"(std::uint64_t{1}));      // ICC_IGRPEN1_EL1
}

// Sleeps until the doorbell has rung, perhaps before, and takes it.
inline void wait_for_doorbell() {
  std::uint64_t intid = 0;
  asm volatile("dsb sy; wfi; mrs %0, s3_0_c12_c12_0; dsb sy" : "=r"(intid) : : "memory");  // ICC_IAR1_EL1
  if (intid == cofferdam_abi::kDoorbell) asm volatile("msr s3_0_c12_c12_1, %0; isb" : : "r"(intid) : "memory");  // ICC_EOIR1_EL1
}

}  // namespace bare
