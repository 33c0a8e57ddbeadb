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
#include "hal/alarm.hpp"
#include "hal/interrupts.hpp"
#include "hal/registers/gicv3.hpp"

namespace hal {

namespace {

namespace gic = registers::gicv3;
namespace distributor = registers::gicv3::distributor;
namespace redistributor = registers::gicv3::redistributor;
namespace list_register = registers::gicv3::list_register;
namespace hypervisor_control = registers::gicv3::hypervisor_control;
namespace virtual_machine_control = registers::gicv3::virtual_machine_control;

constexpr std::uint64_t kDistributor = board::kBoard.gic_distributor;
constexpr unsigned kPolls = 1'000'000;
constexpr std::uint8_t kPriority = 0xA0;

constinit std::array<std::uint64_t, aarch64::kCores> redistributors{};  // SGI frame of each core, 0: not found

std::uint64_t affinity_of(std::size_t core) { return board::kBoard.cores[core].mpidr; }

void wait_for_distributor() {
  for (unsigned i = 0; i < kPolls; ++i) {
    if ((aarch64::read32(kDistributor + distributor::kControl) & distributor::kRegisterWritePending) == 0) return;
  }
}

std::uint32_t mask_of(base::Intid intid) { return 1U << (intid.value % 32); }

// ICH_LR<n>_EL2: the number is part of the name.
#define HAL_EACH_LIST_REGISTER(each)                                                                          \
  each(0, s3_4_c12_c12_0) each(1, s3_4_c12_c12_1) each(2, s3_4_c12_c12_2) each(3, s3_4_c12_c12_3)             \
  each(4, s3_4_c12_c12_4) each(5, s3_4_c12_c12_5) each(6, s3_4_c12_c12_6) each(7, s3_4_c12_c12_7)             \
  each(8, s3_4_c12_c13_0) each(9, s3_4_c12_c13_1) each(10, s3_4_c12_c13_2) each(11, s3_4_c12_c13_3)           \
  each(12, s3_4_c12_c13_4) each(13, s3_4_c12_c13_5) each(14, s3_4_c12_c13_6) each(15, s3_4_c12_c13_7)
std::uint64_t read_list_register(std::size_t index) {
  switch (index) {
#define HAL_READ(number, name) \
  case number: return HAL_READ_REGISTER(name);
    HAL_EACH_LIST_REGISTER(HAL_READ)
#undef HAL_READ
    default: return 0;
  }
}
void write_list_register(std::size_t index, std::uint64_t value) {
  switch (index) {
#define HAL_WRITE(number, name) \
  case number: HAL_WRITE_REGISTER(name, value); break;
    HAL_EACH_LIST_REGISTER(HAL_WRITE)
#undef HAL_WRITE
    default: break;
  }
}
#undef HAL_EACH_LIST_REGISTER

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

// This core's, by SGI number. Where they wait (GICR_ICPENDR0), not by taking them: of two with the same priority the
// GIC may hand out a device's message that has come meanwhile (IHI 0069, 4.8), and ending that loses it.
void drop_sgis(std::uint32_t mask) {
  aarch64::write32(redistributors[aarch64::this_core().index] + distributor::kClearPending, mask);
  aarch64::dsb_sy();
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
  drop_sgis(mask_of(kWakeInterrupt));
  return true;
}

void drop_pending_sgis() {
  constexpr std::uint32_t kSgis = 16;
  if ((HAL_READ_REGISTER(s3_0_c12_c12_2) & 0xFF'FFFF) < kSgis) drop_sgis((1U << kSgis) - 1);  // ICC_HPPIR1_EL1
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
  clear_alarm();  // CNTHP_CTL_EL2.ENABLE is unknown after reset (Arm ARM)
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
            mask_of(interrupts::kKick) | mask_of(kStopInterrupt) | mask_of(kWakeInterrupt) | mask_of(interrupts::kMaintenance) |
                mask_of(kAlarm));
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
  for (std::size_t i = 0; i < interrupts::list_registers(); ++i) {
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
  HAL_WRITE_REGISTER(s3_0_c12_c12_5, gic::kSreEnable & 7);  // ICC_SRE_EL1: a guest writes it where it is no constant
  HAL_WRITE_REGISTER(s3_4_c12_c11_7, gic::kVirtualMachineControlReset);  // ICH_VMCR_EL2
  HAL_WRITE_REGISTER(s3_4_c12_c11_0, hypervisor_control::kEnable | hypervisor_control::kTrapDeactivate);  // ICH_HCR_EL2
  isb();
}

}  // namespace aarch64

namespace interrupts {

void change(Change what, base::CoreId core, std::uint32_t word, std::uint32_t mask) {
  const auto write = [&](std::uint64_t offset) {
    aarch64::write32((word == 0 ? redistributors[core.value] : kDistributor) + offset + std::uint64_t{word} * 4, mask);
  };
  switch (what) {
    case Change::kEnable: return write(distributor::kSetEnable);
    case Change::kDisable:
      write(distributor::kClearEnable);
      if (word != 0) wait_for_distributor();
      return;
    case Change::kSetPending: return write(distributor::kSetPending);
    case Change::kClearPending: return write(distributor::kClearPending);
    case Change::kDeactivate: return write(distributor::kClearActive);
  }
}

void set_trigger(base::Intid intid, Trigger trigger) {
  constexpr std::uint32_t kPerRegister = 16;
  const std::uint64_t at = kDistributor + distributor::kConfiguration + std::uint64_t{intid.value / kPerRegister} * 4;
  const std::uint32_t edge = 2U << (2 * (intid.value % kPerRegister));
  const std::uint32_t now = aarch64::read32(at);
  aarch64::write32(at, trigger == Trigger::kEdge ? now | edge : now & ~edge);
}

void route(base::Intid intid, base::CoreId core) {
  aarch64::write64(kDistributor + distributor::kRouter + std::uint64_t{intid.value} * 8, affinity_of(core.value));
}

std::uint32_t pending(base::CoreId core, std::uint32_t word) {
  const std::uint64_t frame = word == 0 ? redistributors[core.value] : kDistributor;
  return aarch64::read32(frame + distributor::kSetPending + std::uint64_t{word} * 4);
}

void kick(base::CoreId core) { aarch64::send_sgi(core.value, kKick); }

base::Intid acknowledge() {
  const std::uint32_t intid = static_cast<std::uint32_t>(HAL_READ_REGISTER(s3_0_c12_c12_0) & 0xFF'FFFF);  // ICC_IAR1
  aarch64::dsb_sy();
  if (intid >= 1020 && intid <= 1023) return kSpurious;
  HAL_WRITE_REGISTER(s3_0_c12_c12_1, intid);  // ICC_EOIR1_EL1: priority drop only (EOImode 1)
  aarch64::isb();
  // What cores say to one another came after the caller looked for it: nobody else's, and never to be switched off.
  if (intid == aarch64::kStopInterrupt.value && aarch64::is_halting()) aarch64::stop_this_core();
  if (intid == aarch64::kStopInterrupt.value || intid == aarch64::kWakeInterrupt.value) {
    HAL_WRITE_REGISTER(s3_0_c12_c11_1, intid);  // ICC_DIR_EL1
    aarch64::isb();
    return kSpurious;
  }
  return base::Intid{intid};
}

std::size_t list_registers() { return (HAL_READ_REGISTER(s3_4_c12_c11_1) & 0x1F) + 1; }  // ICH_VTR_EL2.ListRegs

void read_list_registers(std::span<std::uint64_t> values) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = hal::read_list_register(i);
}

void write_list_registers(std::span<const std::uint64_t> values) {
  for (std::size_t i = 0; i < values.size(); ++i) hal::write_list_register(i, values[i]);
  aarch64::isb();
}

VirtualState virtual_state() {
  const std::uint64_t machine_control = HAL_READ_REGISTER(s3_4_c12_c11_7);  // ICH_VMCR_EL2
  const std::uint64_t control = HAL_READ_REGISTER(s3_4_c12_c11_0);          // ICH_HCR_EL2
  return {.group0_enabled = (machine_control & virtual_machine_control::kGroup0) != 0,
          .group1_enabled = (machine_control & virtual_machine_control::kGroup1) != 0,
          .ends_separately = (machine_control & virtual_machine_control::kEoiSplit) != 0,
          .ended = static_cast<std::uint8_t>(hypervisor_control::EoiCount::get(control))};
}

void watch(const Watch& wanted, const VirtualState& now) {
  const auto change_of = [](bool watched, bool enabled, std::uint64_t becomes_on, std::uint64_t becomes_off) {
    return !watched ? 0 : enabled ? becomes_off : becomes_on;
  };
  HAL_WRITE_REGISTER(s3_4_c12_c11_0,
                     hypervisor_control::kEnable | hypervisor_control::kTrapDeactivate | (wanted.no_pending ? hypervisor_control::kNoPending : 0) |
                         (wanted.ended_outside ? hypervisor_control::kNotPresent : 0) |
                         change_of(wanted.group0_change, now.group0_enabled, hypervisor_control::kGroup0Enabled, hypervisor_control::kGroup0Disabled) |
                         change_of(wanted.group1_change, now.group1_enabled, hypervisor_control::kGroup1Enabled, hypervisor_control::kGroup1Disabled));
  aarch64::isb();
}

}  // namespace interrupts

}  // namespace hal
