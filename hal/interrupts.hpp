// The physical interrupt controller, and the virtual interface of the guest that runs on a core (GICv3, Arm IHI 0069).
//
// Physical interrupts come to the monitor. What a guest sees is its virtual CPU interface, fed by list registers that
// only the monitor writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "firmware/base/ids.hpp"

namespace hal::interrupts {

// ---- physical interrupts, 32 at once: bit n of `mask` is INTID 32 * word + n ----------------------------------------
// Word 0 is what each core has for itself (SGIs, PPIs): that of `core`. Otherwise `core` means nothing.
enum class Change : std::uint8_t { kEnable, kDisable, kSetPending, kClearPending, kDeactivate };
void change(Change what, base::CoreId core, std::uint32_t word, std::uint32_t mask);
enum class Trigger : std::uint8_t { kLevel, kEdge };
void set_trigger(base::Intid intid, Trigger trigger);  // an SPI. Precondition: disabled
void route(base::Intid intid, base::CoreId core);      // an SPI is delivered to that core from now on
// Which of them wait in the controller, taken or not.
[[nodiscard]] std::uint32_t pending(base::CoreId core, std::uint32_t word);
void kick(base::CoreId core);  // makes `core` enter the monitor soon

// The physical interrupt that brought this core into the monitor, active from now on and with its priority dropped;
// kSpurious when there is none. Who takes it sees to it that it is deactivated, here or by a guest's own end of it.
inline constexpr base::Intid kSpurious{1023};
inline constexpr base::Intid kKick{7};          // the SGI behind kick()
inline constexpr base::Intid kMaintenance{25};  // a list register wants attention (Arm BSA: PPI 25)
[[nodiscard]] base::Intid acknowledge();

// ---- the virtual interface of the calling core: ICH_LR<n>_EL2 in hal/registers/gicv3.hpp's encoding ---------------
inline constexpr std::size_t kMostListRegisters = 16;
[[nodiscard]] std::size_t list_registers();  // how many this core has, 1 to 16
// The first ones, as many as the span has elements.
void read_list_registers(std::span<std::uint64_t> values);
void write_list_registers(std::span<const std::uint64_t> values);

// What the guest has set at its CPU interface, and how often it has ended what no list register held.
struct VirtualState {
  bool group0_enabled;     // ICH_VMCR_EL2.VENG0, VENG1
  bool group1_enabled;
  bool ends_separately;    // VEOIM: ending drops the priority only, ICC_DIR_EL1 deactivates
  std::uint8_t ended;      // ICH_HCR_EL2.EOIcount, since the last watch()
};
[[nodiscard]] VirtualState virtual_state();
// When kMaintenance is to come (ICH_HCR_EL2). Resets VirtualState::ended.
struct Watch {
  bool no_pending;      // no list register is pending any more
  bool ended_outside;   // something was ended that no list register holds
  bool group0_change;   // the group is switched on, or off, whatever it is not now
  bool group1_change;
};
void watch(const Watch& wanted, const VirtualState& now);

}  // namespace hal::interrupts
