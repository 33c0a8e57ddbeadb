// GICv3 (Arm IHI 0069): distributor, redistributor, hypervisor and CPU interface, as far as the monitor uses them.
#pragma once

#include <cstdint>

#include "firmware/base/ids.hpp"
#include "hal/registers/field.hpp"

namespace hal::registers::gicv3 {

// ---- Distributor, byte offsets ------------------------------------------------------------------------------
namespace distributor {
inline constexpr std::uint64_t kControl = 0x0000;       // GICD_CTLR
inline constexpr std::uint64_t kType = 0x0004;          // GICD_TYPER
inline constexpr std::uint64_t kGroup = 0x0080;         // GICD_IGROUPR<n>
inline constexpr std::uint64_t kSetEnable = 0x0100;     // GICD_ISENABLER<n>
inline constexpr std::uint64_t kClearEnable = 0x0180;   // GICD_ICENABLER<n>
inline constexpr std::uint64_t kClearPending = 0x0280;  // GICD_ICPENDR<n>
inline constexpr std::uint64_t kClearActive = 0x0380;   // GICD_ICACTIVER<n>
inline constexpr std::uint64_t kPriority = 0x0400;      // GICD_IPRIORITYR<n>, a byte each
inline constexpr std::uint64_t kConfiguration = 0x0C00; // GICD_ICFGR<n>
inline constexpr std::uint64_t kRouter = 0x6000;        // GICD_IROUTER<n>, 8 bytes each
inline constexpr std::uint32_t kRegisterWritePending = 1U << 31;
inline constexpr std::uint32_t kEnableGroup1 = 1U << 1;    // non-secure view: EnableGrp1A
inline constexpr std::uint32_t kAffinityRouting = 1U << 4; // non-secure view: ARE_NS
}  // namespace distributor

// ---- Redistributor ------------------------------------------------------------------------------------------
namespace redistributor {
inline constexpr std::uint64_t kControl = 0x0000;
inline constexpr std::uint64_t kType = 0x0008;  // GICR_TYPER: affinity in bits 63:32, Last in bit 4
inline constexpr std::uint64_t kWaker = 0x0014;
inline constexpr std::uint64_t kSgiFrame = 0x10000;
inline constexpr std::uint32_t kProcessorSleep = 1U << 1;
inline constexpr std::uint32_t kChildrenAsleep = 1U << 2;
inline constexpr std::uint64_t kTypeLast = bit(4);
using TypeAffinity = Field<32, 32>;
}  // namespace redistributor

// ---- ICH_LR<n>_EL2 ------------------------------------------------------------------------------------------
namespace list_register {
using VirtualId = Field<0, 32>;
using PhysicalId = Field<32, 13>;
using Priority = Field<48, 8>;
inline constexpr std::uint64_t kGroup1 = bit(60);
inline constexpr std::uint64_t kHardware = bit(61);
using State = Field<62, 2>;
inline constexpr std::uint64_t kInactive = 0;
inline constexpr std::uint64_t kPending = 1;
inline constexpr std::uint64_t kActive = 2;
inline constexpr std::uint64_t kPendingAndActive = 3;        // never with kHardware (IHI 0069, 12.4.4 ICH_LR<n>_EL2)
inline constexpr std::uint64_t kMaintenanceAtEnd = bit(41);  // EOI, without kHardware: tell when it becomes inactive
inline constexpr std::uint8_t kGuestPriority = 0x80;
[[nodiscard]] constexpr std::uint64_t make_pending(base::Intid intid) {
  return VirtualId::put(intid.value) | Priority::put(kGuestPriority) | kGroup1 | State::put(kPending);
}
[[nodiscard]] constexpr bool is_free(std::uint64_t value) { return State::get(value) == kInactive; }
[[nodiscard]] constexpr base::Intid intid_of(std::uint64_t value) {
  return base::Intid{static_cast<std::uint32_t>(VirtualId::get(value))};
}
}  // namespace list_register

// ---- ICH_HCR_EL2 --------------------------------------------------------------------------------------------
namespace hypervisor_control {
inline constexpr std::uint64_t kEnable = bit(0);
inline constexpr std::uint64_t kUnderflow = bit(1);       // UIE: one list register or none is used
inline constexpr std::uint64_t kNotPresent = bit(2);      // LRENPIE: an EOI found no list register
inline constexpr std::uint64_t kNoPending = bit(3);       // NPIE: no list register is pending
inline constexpr std::uint64_t kGroup0Enabled = bit(4);   // VGrp0EIE
inline constexpr std::uint64_t kGroup0Disabled = bit(5);  // VGrp0DIE
inline constexpr std::uint64_t kGroup1Enabled = bit(6);   // VGrp1EIE
inline constexpr std::uint64_t kGroup1Disabled = bit(7);  // VGrp1DIE
inline constexpr std::uint64_t kTrapDeactivate = bit(14); // TDIR
using EoiCount = Field<27, 5>;
}  // namespace hypervisor_control

// ---- ICH_VMCR_EL2 -------------------------------------------------------------------------------------------
namespace virtual_machine_control {
inline constexpr std::uint64_t kGroup0 = bit(0);    // VENG0
inline constexpr std::uint64_t kGroup1 = bit(1);    // VENG1
inline constexpr std::uint64_t kEoiSplit = bit(9);  // VEOIM
}  // namespace virtual_machine_control

// ---- ICC_SGI<n>R_EL1, as a guest writes it ------------------------------------------------------------------
namespace sgi {
using TargetList = Field<0, 16>;
using Affinity1 = Field<16, 8>;
using Intid = Field<24, 4>;
using Affinity2 = Field<32, 8>;
inline constexpr std::uint64_t kAllButSelf = bit(40);  // IRM
using RangeSelector = Field<44, 4>;
using Affinity3 = Field<48, 8>;
}  // namespace sgi

// ---- ICC_SGI1R_EL1: one core, by its MPIDR ------------------------------------------------------------------
[[nodiscard]] constexpr std::uint64_t make_sgi(std::uint64_t mpidr, base::Intid intid) {
  const std::uint64_t affinity0 = Field<0, 8>::get(mpidr);
  return bit(static_cast<unsigned>(affinity0 & 0xF)) | Field<44, 4>::put(affinity0 >> 4) |
         Field<16, 8>::put(Field<8, 8>::get(mpidr)) | Field<32, 8>::put(Field<16, 8>::get(mpidr)) |
         Field<48, 8>::put(Field<32, 8>::get(mpidr)) | Field<24, 4>::put(intid.value);
}

// ---- Others -------------------------------------------------------------------------------------------------
inline constexpr std::uint64_t kSreEnable = 0b1111;       // ICC_SRE_EL2: SRE, DFB, DIB, Enable
inline constexpr std::uint64_t kHypervisorEnable = bit(0);  // ICH_HCR_EL2.En
inline constexpr std::uint64_t kEoiModeSplit = bit(1);    // ICC_CTLR_EL1.EOImode
// ICH_VMCR_EL2 as a guest's interface comes out of reset: priority mask 0, groups off.
inline constexpr std::uint64_t kVirtualMachineControlReset = 0;

}  // namespace hal::registers::gicv3
