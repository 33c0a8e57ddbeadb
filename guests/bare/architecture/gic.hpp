// The interrupt controller as Arm IHI 0069 describes it: GICv3, affinity routing, whatever number of security states.
#pragma once

#include "guests/bare/architecture/machine.hpp"

namespace architecture::gic {

inline constexpr std::uint64_t kDistributor = 0x0800'0000, kRedistributors = 0x080A'0000;
inline constexpr std::uint64_t kFrame = 0x1'0000;
inline constexpr std::uint32_t kNone = 1023;

inline volatile std::uint32_t& distributor(std::uint64_t offset) { return mmio<std::uint32_t>(kDistributor + offset); }
inline volatile std::uint32_t& redistributor(std::uint64_t offset) {
  return mmio<std::uint32_t>(this_core().redistributor + offset);
}

enum Bank : std::uint32_t {
  kGroup = 0x080,
  kSetEnable = 0x100,
  kClearEnable = 0x180,
  kSetPending = 0x200,
  kClearPending = 0x280,
  kSetActive = 0x300,
  kClearActive = 0x380,
};

// The register of one bit an interrupt; SGIs and PPIs are this core's own.
inline volatile std::uint32_t& bank(Bank which, std::uint32_t intid) {
  return intid < 32 ? redistributor(kFrame + which) : distributor(which + intid / 32 * 4);
}
inline std::uint32_t bit_of(std::uint32_t intid) { return 1U << intid % 32; }
inline bool is(Bank which, std::uint32_t intid) { return (bank(which, intid) & bit_of(intid)) != 0; }
inline void set(Bank which, std::uint32_t intid) {
  bank(which, intid) = bit_of(intid);
  barrier();
}
inline void set_group(std::uint32_t intid, bool group1) {
  volatile std::uint32_t& word = bank(kGroup, intid);
  word = group1 ? word | bit_of(intid) : word & ~bit_of(intid);
  barrier();
}
inline volatile std::uint8_t& priority(std::uint32_t intid) {
  const std::uint64_t base = intid < 32 ? this_core().redistributor + kFrame : kDistributor;
  return mmio<std::uint8_t>(base + 0x400 + intid);
}
inline volatile std::uint64_t& route(std::uint32_t intid) {
  return mmio<std::uint64_t>(kDistributor + 0x6000 + 8 * intid);
}
inline void set_edge(std::uint32_t intid, bool edge) {
  volatile std::uint32_t& word = distributor(0xC00 + intid / 16 * 4);
  const std::uint32_t field = 2U << intid % 16 * 2;
  word = edge ? word | field : word & ~field;
}
inline void wait_for_write() {
  wait_for([] { return (distributor(0) >> 31) == 0; });
}

inline std::uint32_t acknowledge() {
  const std::uint64_t intid = READ_REGISTER(s3_0_c12_c12_0);  // ICC_IAR1_EL1
  barrier();
  return static_cast<std::uint32_t>(intid);
}
inline std::uint32_t acknowledge_group0() {
  const std::uint64_t intid = READ_REGISTER(s3_0_c12_c8_0);  // ICC_IAR0_EL1
  barrier();
  return static_cast<std::uint32_t>(intid);
}
inline void end(std::uint32_t intid) { WRITE_REGISTER(s3_0_c12_c12_1, intid); }         // ICC_EOIR1_EL1
inline void end_group0(std::uint32_t intid) { WRITE_REGISTER(s3_0_c12_c8_1, intid); }   // ICC_EOIR0_EL1
inline void deactivate(std::uint32_t intid) { WRITE_REGISTER(s3_0_c12_c11_1, intid); }  // ICC_DIR_EL1
inline std::uint32_t highest_pending() { return static_cast<std::uint32_t>(READ_REGISTER(s3_0_c12_c12_2)); }
inline std::uint32_t running_priority() { return static_cast<std::uint32_t>(READ_REGISTER(s3_0_c12_c11_3)); }
inline void set_mask(std::uint32_t priority) { WRITE_REGISTER(s3_0_c4_c6_0, priority); }             // ICC_PMR_EL1
inline void end_separately(bool separately) { WRITE_REGISTER(s3_0_c12_c12_4, separately ? 2 : 0); }  // ICC_CTLR_EL1
inline bool irq_signalled() { return (READ_REGISTER(isr_el1) & 1U << 7) != 0; }
inline bool fiq_signalled() { return (READ_REGISTER(isr_el1) & 1U << 6) != 0; }

// An SGI to the cores of `targets` (bits, Aff0) that share the affinity above of `mpidr`.
inline void send(std::uint32_t intid, std::uint64_t mpidr, std::uint64_t targets) {
  barrier();
  WRITE_REGISTER(s3_0_c12_c11_5, (mpidr >> 32 & 0xFF) << 48 | (mpidr >> 16 & 0xFF) << 32 | std::uint64_t{intid} << 24 |
                                     (mpidr >> 8 & 0xFF) << 16 | targets);
}
inline void send_to_self(std::uint32_t intid) {
  const std::uint64_t mpidr = READ_REGISTER(mpidr_el1);
  send(intid, mpidr, 1U << (mpidr & 0xF));
}
inline void send_to_others(std::uint32_t intid) {
  barrier();
  WRITE_REGISTER(s3_0_c12_c11_5, std::uint64_t{1} << 40 | std::uint64_t{intid} << 24);
}

bool find_redistributor(Core& core);
void start_distributor();
void start_this_core();
void start_interface();  // of this core alone, its redistributor is as it is

}  // namespace architecture::gic
