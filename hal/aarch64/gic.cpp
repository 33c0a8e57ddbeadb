// hal/interrupts.hpp on a GICv3, seen from non-secure EL2 (Arm IHI 0069).
//
// Physical interrupts come to EL2; a guest sees the virtual CPU interface only. End of interrupt is split (EOImode 1):
// an interrupt handed to a guest is linked to its list register, so that the guest's own end deactivates it and a
// level-sensitive line does not fire again before.
#include <array>
#include <atomic>

#include "hal/aarch64/machine.hpp"
#include "hal/aarch64/mmio.hpp"
#include "hal/aarch64/per_core.hpp"
#include "hal/aarch64/system_registers.hpp"
#include "hal/interrupts.hpp"
#include "hal/registers/gicv3.hpp"

namespace hal {

namespace {

namespace gic = registers::gicv3;
namespace distributor = registers::gicv3::distributor;
namespace redistributor = registers::gicv3::redistributor;
namespace list_register = registers::gicv3::list_register;

constexpr std::uint64_t kDistributor = board::kBoard.gic_distributor;
constexpr unsigned kPolls = 1'000'000;
constexpr std::uint32_t kVirtualTimer = 27;   // PPI of CNTV, Arm BSA
constexpr std::uint8_t kPriority = 0xA0;

constinit std::array<std::uint64_t, aarch64::kCores> redistributors{};  // SGI frame of each core, 0: not found

std::uint64_t affinity_of(std::size_t core) { return board::kBoard.cores[core].mpidr; }

void wait_for_distributor() {
  for (unsigned i = 0; i < kPolls; ++i) {
    if ((aarch64::read32(kDistributor + distributor::kControl) & distributor::kRegisterWritePending) == 0) return;
  }
}

// The bank of a bit-per-interrupt register, in the distributor or in this core's redistributor.
std::uint64_t bank(base::Intid intid, std::uint64_t offset) {
  if (intid.value < 32) return redistributors[aarch64::this_core().index] + offset;
  return kDistributor + offset + std::uint64_t{intid.value / 32} * 4;
}
std::uint32_t mask_of(base::Intid intid) { return 1U << (intid.value % 32); }

// ICH_LR<n>_EL2: the number is part of the name.
std::uint64_t read_list_register(unsigned index) {
  switch (index) {
    case 0: return HAL_READ_REGISTER(s3_4_c12_c12_0);
    case 1: return HAL_READ_REGISTER(s3_4_c12_c12_1);
    case 2: return HAL_READ_REGISTER(s3_4_c12_c12_2);
    case 3: return HAL_READ_REGISTER(s3_4_c12_c12_3);
    default: return ~std::uint64_t{0};
  }
}
void write_list_register(unsigned index, std::uint64_t value) {
  switch (index) {
    case 0: HAL_WRITE_REGISTER(s3_4_c12_c12_0, value); break;
    case 1: HAL_WRITE_REGISTER(s3_4_c12_c12_1, value); break;
    case 2: HAL_WRITE_REGISTER(s3_4_c12_c12_2, value); break;
    case 3: HAL_WRITE_REGISTER(s3_4_c12_c12_3, value); break;
    default: break;
  }
}
// Every implementation has four on the cores this runs on; more are not used.
unsigned list_registers() {
  const std::uint64_t count = (HAL_READ_REGISTER(s3_4_c12_c11_1) & 0x1F) + 1;  // ICH_VTR_EL2.ListRegs
  return count < 4 ? static_cast<unsigned>(count) : 4;
}

std::uint64_t find_redistributor(std::size_t core) {
  for (std::size_t i = 0; i < aarch64::kCores; ++i) {
    const std::uint64_t frame = board::kBoard.gic_redistributor + i * board::kBoard.gic_redistributor_stride;
    const std::uint64_t type = aarch64::read64(frame + redistributor::kType);
    const std::uint64_t mpidr = affinity_of(core);
    const std::uint64_t affinity = (mpidr & 0xFF'FFFF) | ((mpidr >> 8) & 0xFF00'0000);
    if (redistributor::TypeAffinity::get(type) == affinity) return frame;
    if ((type & redistributor::kTypeLast) != 0) break;
  }
  return 0;
}

void drop_highest_pending() {
  const std::uint64_t intid = HAL_READ_REGISTER(s3_0_c12_c12_0) & 0xFF'FFFF;  // ICC_IAR1_EL1
  aarch64::dsb_sy();
  HAL_WRITE_REGISTER(s3_0_c12_c12_1, intid);  // ICC_EOIR1_EL1
  HAL_WRITE_REGISTER(s3_0_c12_c11_1, intid);  // ICC_DIR_EL1
  aarch64::isb();
}

}  // namespace

namespace aarch64 {

std::uint64_t redistributor_frame(std::size_t core) { return find_redistributor(core); }

void send_sgi(std::size_t core, base::Intid intid) {
  dsb_ishst();
  HAL_WRITE_REGISTER(s3_0_c12_c11_5, gic::make_sgi(affinity_of(core), intid));  // ICC_SGI1R_EL1
  isb();
}

bool drop_late_wake() {
  if ((HAL_READ_REGISTER(s3_0_c12_c12_2) & 0xFF'FFFF) != kWakeInterrupt.value) return false;  // ICC_HPPIR1_EL1
  drop_highest_pending();
  return true;
}

void drop_pending_sgis() {
  constexpr unsigned kSgis = 16;
  for (unsigned i = 0; i < kSgis; ++i) {
    if ((HAL_READ_REGISTER(s3_0_c12_c12_2) & 0xFF'FFFF) >= kSgis) return;  // nothing pending, or no SGI
    drop_highest_pending();
  }
}

void prepare_interrupt_distributor() {
  const std::uint32_t lines = ((read32(kDistributor + distributor::kType) & 0x1F) + 1) * 32;
  for (std::uint32_t first = 32; first < lines && first < 1020; first += 32) {
    write32(kDistributor + distributor::kClearEnable + first / 8, ~0U);
    write32(kDistributor + distributor::kClearPending + first / 8, ~0U);
    write32(kDistributor + distributor::kClearActive + first / 8, ~0U);
    write32(kDistributor + distributor::kGroup + first / 8, ~0U);  // ignored where the ROM owns the groups
  }
  constexpr std::uint32_t kPriorities = kPriority * 0x0101'0101U;
  for (std::uint32_t intid = 32; intid < lines && intid < 1020; intid += 4) {
    write32(kDistributor + distributor::kPriority + intid, kPriorities);
  }
  wait_for_distributor();
  write32(kDistributor + distributor::kControl, distributor::kAffinityRouting | distributor::kEnableGroup1);
  wait_for_distributor();
}

void prepare_core_interrupts() {
  PerCore& core = this_core();
  const std::uint64_t frame = find_redistributor(core.index);
  if (frame != 0) {
    // The ROM wakes it; where it did not and this state may, do so. Ignored otherwise.
    write32(frame + redistributor::kWaker, read32(frame + redistributor::kWaker) & ~redistributor::kProcessorSleep);
    for (unsigned i = 0; i < kPolls; ++i) {
      if ((read32(frame + redistributor::kWaker) & redistributor::kChildrenAsleep) == 0) break;
    }
    const std::uint64_t sgi = frame + redistributor::kSgiFrame;
    redistributors[core.index] = sgi;
    write32(sgi + distributor::kClearEnable, ~0U);
    write32(sgi + distributor::kClearPending, ~0U);
    write32(sgi + distributor::kClearActive, ~0U);
    write32(sgi + distributor::kGroup, ~0U);
    constexpr std::uint32_t kPriorities = kPriority * 0x0101'0101U;
    for (std::uint32_t intid = 0; intid < 32; intid += 4) write32(sgi + distributor::kPriority + intid, kPriorities);
    write32(sgi + distributor::kSetEnable,
            mask_of(interrupts::kKick) | mask_of(kStopInterrupt) | mask_of(kWakeInterrupt) | (1U << kVirtualTimer));
  }
  HAL_WRITE_REGISTER(s3_4_c12_c9_5, gic::kSreEnable);   // ICC_SRE_EL2
  isb();
  HAL_WRITE_REGISTER(s3_0_c12_c12_5, gic::kSreEnable & 7);  // ICC_SRE_EL1
  isb();
  HAL_WRITE_REGISTER(s3_0_c4_c6_0, 0xFF);    // ICC_PMR_EL1: nothing masked by priority
  HAL_WRITE_REGISTER(s3_0_c12_c12_3, 0);     // ICC_BPR1_EL1
  HAL_WRITE_REGISTER(s3_0_c12_c12_4, gic::kEoiModeSplit);  // ICC_CTLR_EL1
  HAL_WRITE_REGISTER(s3_0_c12_c12_7, 1);     // ICC_IGRPEN1_EL1
  isb();
  reset_virtual_interrupts();
}

void reset_virtual_interrupts() {
  // What a guest left active is deactivated: the line belongs to whoever comes next.
  for (unsigned i = 0; i < list_registers(); ++i) {
    const std::uint64_t value = read_list_register(i);
    if (!list_register::is_free(value) && (value & list_register::kHardware) != 0) {
      HAL_WRITE_REGISTER(s3_0_c12_c11_1, list_register::PhysicalId::get(value));  // ICC_DIR_EL1
    }
    write_list_register(i, 0);
  }
  HAL_WRITE_REGISTER(s3_4_c12_c8_0, 0);   // ICH_AP0R0_EL2
  HAL_WRITE_REGISTER(s3_4_c12_c9_0, 0);   // ICH_AP1R0_EL2
  const std::uint64_t preemption_bits = ((HAL_READ_REGISTER(s3_4_c12_c11_1) >> 26) & 7) + 1;  // ICH_VTR_EL2.PREbits
  if (preemption_bits >= 6) {
    HAL_WRITE_REGISTER(s3_4_c12_c8_1, 0);
    HAL_WRITE_REGISTER(s3_4_c12_c9_1, 0);
  }
  if (preemption_bits >= 7) {
    HAL_WRITE_REGISTER(s3_4_c12_c8_2, 0);
    HAL_WRITE_REGISTER(s3_4_c12_c8_3, 0);
    HAL_WRITE_REGISTER(s3_4_c12_c9_2, 0);
    HAL_WRITE_REGISTER(s3_4_c12_c9_3, 0);
  }
  HAL_WRITE_REGISTER(s3_4_c12_c11_7, gic::kVirtualMachineControlReset);  // ICH_VMCR_EL2
  HAL_WRITE_REGISTER(s3_4_c12_c11_0, gic::kHypervisorEnable);            // ICH_HCR_EL2
  isb();
}

}  // namespace aarch64

namespace interrupts {

void route(base::Intid intid, base::CoreId core) {
  if (intid.value >= 32) {
    aarch64::write64(kDistributor + distributor::kRouter + std::uint64_t{intid.value} * 8, affinity_of(core.value));
  }
  aarch64::write32(bank(intid, distributor::kSetEnable), mask_of(intid));
}

void disable(base::Intid intid) {
  aarch64::write32(bank(intid, distributor::kClearEnable), mask_of(intid));
  if (intid.value >= 32) wait_for_distributor();
  aarch64::write32(bank(intid, distributor::kClearPending), mask_of(intid));
  aarch64::write32(bank(intid, distributor::kClearActive), mask_of(intid));
}

void kick(base::CoreId core) { aarch64::send_sgi(core.value, kKick); }

bool inject_here(base::Intid intid) {
  aarch64::PerCore& core = aarch64::this_core();
  const bool physical = core.acknowledged == intid && intid.value >= 16;
  unsigned chosen = list_registers();
  for (unsigned i = 0; i < list_registers(); ++i) {
    const std::uint64_t value = read_list_register(i);
    if (list_register::is_free(value)) {
      if (chosen == list_registers()) chosen = i;
    } else if (list_register::intid_of(value) == intid && !physical) {
      // Known to the guest already. An active one becomes pending as well, so that no signal is lost.
      write_list_register(i, value | list_register::State::put(list_register::kPending));
      aarch64::isb();
      return true;
    }
  }
  if (chosen == list_registers()) return false;
  std::uint64_t value = list_register::make_pending(intid);
  if (physical) {
    value |= list_register::kHardware | list_register::PhysicalId::put(intid.value);
    core.handed_to_guest = true;
  }
  write_list_register(chosen, value);
  aarch64::isb();
  return true;
}

base::Intid acknowledge() {
  const std::uint32_t intid = static_cast<std::uint32_t>(HAL_READ_REGISTER(s3_0_c12_c12_0) & 0xFF'FFFF);  // ICC_IAR1
  aarch64::dsb_sy();
  if (intid >= 1020 && intid <= 1023) return kSpurious;
  aarch64::PerCore& core = aarch64::this_core();
  core.acknowledged = base::Intid{intid};
  core.handed_to_guest = false;
  return core.acknowledged;
}

void end(base::Intid intid) {
  aarch64::PerCore& core = aarch64::this_core();
  HAL_WRITE_REGISTER(s3_0_c12_c12_1, intid.value);  // ICC_EOIR1_EL1: priority drop
  if (!(core.acknowledged == intid && core.handed_to_guest)) {
    HAL_WRITE_REGISTER(s3_0_c12_c11_1, intid.value);  // ICC_DIR_EL1: deactivate
  }
  core.acknowledged = kSpurious;
  core.handed_to_guest = false;
  aarch64::isb();
}

}  // namespace interrupts

}  // namespace hal
