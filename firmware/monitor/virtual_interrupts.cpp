#include "firmware/monitor/virtual_interrupts.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>

#include "board_tables.hpp"
#include "firmware/board/budget.hpp"
#include "firmware/enclave/machine_map.hpp"
#include "firmware/hypercall/abi.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/locked.hpp"
#include "firmware/monitor/log.hpp"
#include "firmware/monitor/panic.hpp"
#include "firmware/monitor/parent_watchdog.hpp"
#include "firmware/monitor/spin_lock.hpp"
#include "firmware/monitor/ticket_lock.hpp"
#include "firmware/vgic/controller.hpp"
#include "hal/cpu.hpp"
#include "hal/interrupts.hpp"
#include "hal/message_interrupts.hpp"

namespace monitor {

namespace {

using vgic::Action;
using vgic::ActionKind;
using vgic::Actions;
using vgic::CoreIndex;

constexpr base::Intid kVirtualTimer{27};   // Arm BSA: the EL1 virtual timer
constexpr base::Intid kPhysicalTimer{30};  // the EL1 physical timer
constexpr std::uint64_t kFrameBytes = 0x1'0000;
static_assert(board::kBoard.cores.size() <= vgic::kMaxCores);
constexpr const board::MessageInterrupts& kMessages = board::kBoard.message_interrupts;

struct PartitionInterrupts {
  SpinLock lock;
  vgic::Controller controller;
  std::array<std::uint8_t, vgic::kMaxCores> core_of{};  // the board's number of each virtual core
};
constinit std::array<PartitionInterrupts, board::kMaxEnclaves + 2> g_interrupts{};  // enclaves' numbers begin at 2

// GICD_ICFGR<n> is read and written back, and holds interrupts of several partitions. Taken inside a partition's lock.
constinit TicketLock g_trigger_lock{};

[[nodiscard]] PartitionInterrupts& of(base::PartitionId partition) { return g_interrupts[partition.value]; }

// A core's place in its partition: the board's number for the parent, 0, 1, 2 .. for an enclave. Stable while it runs.
[[nodiscard]] CoreIndex index_of(base::CoreId core, base::PartitionId partition) {
  return CoreIndex{partition == base::kParent ? core.value : g_state.cores.at(core).number};
}

[[nodiscard]] vgic::Configuration configuration_of(base::PartitionId partition) {
  vgic::Configuration configuration;
  configuration.physical.add(kVirtualTimer);
  configuration.physical.add(kPhysicalTimer);
  configuration.raised.add(base::Intid{cofferdam_abi::kDoorbell});
  for (std::uint8_t i = 0; i < g_state.devices.count; ++i) {
    const base::Intid interrupt = board::kBoard.devices[i].interrupt;
    if (g_state.devices.owner[i] == partition && interrupt.value != 0) configuration.physical.add(interrupt);
  }
  if (partition == base::kParent) {
    if (board::kBoard.vsock_interrupt.value != 0) configuration.raised.add(board::kBoard.vsock_interrupt);
    if (kParentHasWatchdog) configuration.raised.add(base::Intid{board::kWatchdogSpi});
    configuration.cores = g_state.cores.end_of_present();
    for (std::size_t i = 0; i < board::kBoard.cores.size(); ++i) configuration.mpidr[i] = board::kBoard.cores[i].mpidr;
    for (const board::Interrupt& interrupt : board::kBoard.interrupts) {
      if (interrupt.owner == board::Owner::kParent) configuration.physical.add(interrupt.intid);
    }
    if (kMessages.offered && hal::message_interrupts::present()) {
      configuration.message.add(kMessages.first, base::Intid{kMessages.first.value + kMessages.count - 1});
    }
    return configuration;
  }
  for (const enclave::DevicePlace& place : {enclave::kConsole, enclave::kNsm, enclave::kVsock}) {
    configuration.raised.add(place.interrupt);
  }
  for (std::uint8_t i = 0; i < g_state.cores.count; ++i) {
    if (g_state.cores.entries[i].owner == partition) ++configuration.cores;
  }
  for (std::uint8_t i = 0; i < configuration.cores; ++i) configuration.mpidr[i] = i;
  return configuration;
}

void trigger_by(base::Intid intid, hal::interrupts::Trigger trigger) {
  const Locked locked{g_trigger_lock};
  hal::interrupts::set_trigger(intid, trigger);
}

void for_each_intid(const Action& action, auto&& each) {
  for (std::uint32_t rest = action.mask; rest != 0; rest &= rest - 1) {
    each(base::Intid{std::uint32_t{32} * action.word + static_cast<std::uint32_t>(std::countr_zero(rest))});
  }
}

// One action may name lines and devices' messages; the board's ranges tell them apart.
[[gnu::noinline]] void route(const Action& action, base::CoreId core) {
  std::uint32_t messages = 0;
  for_each_intid(action, [&](base::Intid intid) {
    if (intid.value - kMessages.first.value < kMessages.count) {
      messages |= 1U << (intid.value % 32);
    } else {
      hal::interrupts::route(intid, core);
    }
  });
  // The parent alone has messages, so its lock keeps those apart who move some. Devices were attached before it ran.
  if (messages == 0 || !hal::message_interrupts::present()) return;
  if (hal::message_interrupts::route(action.word, messages, core).ok()) return;
  const bool only_here = hal::message_interrupts::present();
  log_about(base::kParent, LogLine{}.text("devices' messages do not move to core ").number(core.value)
                               .text(only_here ? ", which takes none" : ": the ITS does not answer, none is delivered any more"));
}

void carry_out(const PartitionInterrupts& interrupts, const Action& action) {
  using hal::interrupts::Change;
  using hal::interrupts::Trigger;
  const base::CoreId core{interrupts.core_of[action.core.value]};
  const auto change_these = [&](Change what) { hal::interrupts::change(what, core, action.word, action.mask); };
  switch (action.kind) {
    case ActionKind::kEnable: return change_these(Change::kEnable);
    case ActionKind::kDisable: return change_these(Change::kDisable);
    case ActionKind::kSetPending: return change_these(Change::kSetPending);
    case ActionKind::kClearPending: return change_these(Change::kClearPending);
    case ActionKind::kDeactivate: return change_these(Change::kDeactivate);
    case ActionKind::kRoute: return route(action, core);
    case ActionKind::kMakeEdge:
      return for_each_intid(action, [](base::Intid intid) { trigger_by(intid, Trigger::kEdge); });
    case ActionKind::kMakeLevel:
      return for_each_intid(action, [](base::Intid intid) { trigger_by(intid, Trigger::kLevel); });
  }
}

void carry_out_changes(const PartitionInterrupts& interrupts, const Actions& actions) {
  if (actions.overflow()) panic("the interrupt controller's list of actions is full");
  for (const Action& action : actions.list()) carry_out(interrupts, action);
}

// A kick that comes late or once too often makes a core look again, nothing more: it needs no lock.
void kick_cores(const PartitionInterrupts& interrupts, std::uint32_t kicks) {
  for (std::uint32_t rest = kicks; rest != 0; rest &= rest - 1) {
    hal::interrupts::kick(base::CoreId{interrupts.core_of[static_cast<std::size_t>(std::countr_zero(rest))]});
  }
}

// Holds a partition's lock ahead of what its guest does: for what the state lock's holder, or another partition, waits for.
using Ahead = Locked<SpinLock, &SpinLock::lock_first>;

// What is done for another core, or for none: under the lock, then the kicks.
void change(PartitionInterrupts& interrupts, auto&& what) {
  Actions actions;
  {
    const Ahead ahead{interrupts.lock};
    what(interrupts.controller, actions);
    carry_out_changes(interrupts, actions);
  }
  kick_cores(interrupts, actions.kicks());
}

// The list registers out of the hardware, something done under the lock, and back. What only this core touches, its
// registers, is read before the lock is taken and written after it is free, for they are slow: what others change
// meanwhile they follow by a kick, which waits until this core is in its guest again.
class Visit {
 public:
  enum class Turn : std::uint8_t { kAny, kAhead };
  Visit(PartitionInterrupts& interrupts, CoreIndex core, Turn turn = Turn::kAny)
      : interrupts_(interrupts),
        core_(core),
        state_(hal::interrupts::virtual_state()),
        used_(interrupts.controller.used_list_registers(core)) {
    const std::span<std::uint64_t> values = std::span{list_registers_}.first(used_);
    hal::interrupts::read_list_registers(values);
    turn == Turn::kAhead ? interrupts.lock.lock_first() : interrupts.lock.lock();
    interrupts.controller.sync(core, values, state_.ends_separately ? 0 : state_.ended, actions_);
  }
  // The actions first: what fill() lists must not come a second time from the physical controller.
  ~Visit() {
    carry_out_changes(interrupts_, actions_);
    const std::span<std::uint64_t> all = std::span{list_registers_}.first(hal::interrupts::list_registers());
    const vgic::Maintenance wanted = interrupts_.controller.fill(core_, all, {state_.group0_enabled, state_.group1_enabled});
    // Those behind are zero, and were.
    const std::size_t used = std::max(used_, interrupts_.controller.used_list_registers(core_));
    interrupts_.lock.unlock();
    kick_cores(interrupts_, actions_.kicks() & ~(1U << core_.value));  // this one was just filled
    hal::interrupts::write_list_registers(std::span{list_registers_}.first(used));
    hal::interrupts::watch({.no_pending = wanted.no_pending, .ended_outside = wanted.end_of_outside,
                            .group0_change = wanted.group_change, .group1_change = wanted.group_change},
                           state_);
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

  [[nodiscard]] Actions& actions() { return actions_; }
  [[nodiscard]] bool ends_separately() const { return state_.ends_separately; }

 private:
  PartitionInterrupts& interrupts_;
  CoreIndex core_;
  hal::interrupts::VirtualState state_;
  std::size_t used_;  // list registers that hold something, as the guest left them; this core alone changes it
  std::array<std::uint64_t, hal::interrupts::kMostListRegisters> list_registers_{};
  Actions actions_;  // no braces: they would clear two kilobytes
};

// This core came here from a guest of the partition, whose list registers are in the hardware.
[[nodiscard]] bool runs_guest_of(base::PartitionId partition) {
  const base::CoreId here = hal::current_core();
  return g_mailboxes[here.value].in_guest && g_state.cores.at(here).owner == partition;
}

// To the parent, on a core that came here from it.
void message_in_guest(base::CoreId core, base::Intid intid, Visit::Turn turn) {
  PartitionInterrupts& interrupts = of(base::kParent);
  Visit visit{interrupts, index_of(core, base::kParent), turn};
  static_cast<void>(interrupts.controller.message(intid, visit.actions()).ok());
}

// The frame of the controller's that an address lies in.
struct Place {
  vgic::Frame frame;
  std::uint64_t offset;
};
[[nodiscard]] std::optional<Place> find(base::Ipa address, std::size_t cores) {
  const std::uint64_t distributor = address.value - board::kBoard.gic_distributor;
  if (distributor < kFrameBytes) return Place{{vgic::FrameKind::kDistributor, CoreIndex{0}}, distributor};
  constexpr std::uint64_t kStride = board::kBoard.gic_redistributor_stride;
  const std::uint64_t redistributor = address.value - board::kBoard.gic_redistributor;
  if constexpr (kStride != 0) {
    if (redistributor >= cores * kStride || redistributor % kStride >= 2 * kFrameBytes) return std::nullopt;
    const CoreIndex core{static_cast<std::uint8_t>(redistributor / kStride)};
    const bool private_interrupts = redistributor % kStride >= kFrameBytes;
    return Place{{private_interrupts ? vgic::FrameKind::kSgi : vgic::FrameKind::kRedistributor, core},
                 redistributor % kFrameBytes};
  }
  return std::nullopt;
}

}  // namespace

void reset_interrupts(base::PartitionId partition) {
  PartitionInterrupts& interrupts = of(partition);
  const Ahead ahead{interrupts.lock};
  for (std::uint8_t i = 0; i < g_state.cores.count; ++i) {
    if (g_state.cores.entries[i].owner == partition) interrupts.core_of[index_of(base::CoreId{i}, partition).value] = i;
  }
  Actions actions;
  interrupts.controller.stop(actions);
  carry_out_changes(interrupts, actions);
  if (!interrupts.controller.reset(configuration_of(partition)).ok()) panic("the board's interrupts are malformed");
}

void give_interrupt(base::PartitionId partition, base::Intid intid) {
  change(of(partition), [=](vgic::Controller& controller, Actions& actions) { controller.admit(intid, actions); });
}

void take_interrupt(base::PartitionId partition, base::Intid intid) {
  change(of(partition), [=](vgic::Controller& controller, Actions& actions) { controller.withdraw(intid, actions); });
}

void enter_interrupts(base::CoreId core, base::PartitionId partition) {
  change(of(partition),
         [=](vgic::Controller& controller, Actions& actions) { controller.join(index_of(core, partition), actions); });
}

void leave_interrupts(base::CoreId core, base::PartitionId partition) {
  const CoreIndex index = index_of(core, partition);
  Visit visit{of(partition), index};
  of(partition).controller.leave(index, visit.actions());
}

bool deliver_physical(base::CoreId core, base::PartitionId partition, base::Intid intid) {
  PartitionInterrupts& interrupts = of(partition);
  const CoreIndex index = index_of(core, partition);
  Visit visit{interrupts, index};
  return interrupts.controller.physical(index, intid, visit.actions()).ok();
}

void refresh_interrupts(base::CoreId core, base::PartitionId partition) {
  const Visit visit{of(partition), index_of(core, partition)};
}

void raise_message(base::PartitionId partition, base::Intid intid) {
  change(of(partition), [=](vgic::Controller& controller, Actions& actions) {
    static_cast<void>(controller.message(intid, actions).ok());  // not one of its own: nobody waits for it
  });
}

void set_line(base::PartitionId partition, base::Intid intid, bool level) {
  PartitionInterrupts& interrupts = of(partition);
  if (!level) {
    const Ahead ahead{interrupts.lock};
    if (interrupts.controller.fall(intid)) return;
  }
  if (runs_guest_of(partition)) {
    // The guest's handler on this core is looking at it.
    Visit visit{interrupts, index_of(hal::current_core(), partition), Visit::Turn::kAhead};
    static_cast<void>(interrupts.controller.raise(intid, level, visit.actions()).ok());
    return;
  }
  change(interrupts, [=](vgic::Controller& controller, Actions& actions) {
    static_cast<void>(controller.raise(intid, level, actions).ok());
  });
}

void deliver_message(base::CoreId core, base::PartitionId partition, base::Intid intid) {
  if (partition != base::kParent) return raise_message(base::kParent, intid);
  message_in_guest(core, intid, Visit::Turn::kAny);
}

std::optional<AccessResult> access_interrupt_registers(base::CoreId core, base::PartitionId partition,
                                                       const RegisterAccess& access) {
  const std::size_t cores = partition == base::kParent ? board::kBoard.cores.size() : vgic::kMaxCores;
  const auto place = find(access.address, cores);
  if (!place) return std::nullopt;
  PartitionInterrupts& interrupts = of(partition);
  const CoreIndex index = index_of(core, partition);
  Visit visit{interrupts, index};
  vgic::Controller& controller = interrupts.controller;
  if (access.write) {
    return AccessResult{controller.write(place->frame, place->offset, access.size, access.value, visit.actions()).ok(), 0};
  }
  const auto value = controller.read(place->frame, place->offset, access.size, visit.actions());
  if (!value) return AccessResult{};
  // Of a disabled interrupt only the physical controller knows that it waits.
  const auto physical = controller.physical_pending(place->frame, place->offset);
  if (physical.mask == 0) return AccessResult{true, *value};
  const base::CoreId at{interrupts.core_of[physical.word == 0 ? place->frame.core.value : index.value]};
  return AccessResult{true, *value | (physical.mask & hal::interrupts::pending(at, physical.word))};
}

void send_message_to_parent(base::Intid intid) {
  const base::CoreId here = hal::current_core();
  if (runs_guest_of(base::kParent)) return message_in_guest(here, intid, Visit::Turn::kAhead);
  raise_message(base::kParent, intid);
}

bool write_interrupt_register(base::CoreId core, base::PartitionId partition,
                              const hal::registers::esr_el2::SystemRegisterAccess& access, std::uint64_t value) {
  using hal::registers::esr_el2::system_register;
  constexpr std::uint32_t kDeactivate = system_register(3, 0, 12, 11, 1);  // ICC_DIR_EL1
  constexpr std::uint32_t kSgi1 = system_register(3, 0, 12, 11, 5);        // ICC_SGI1R_EL1
  constexpr std::uint32_t kAliasSgi1 = system_register(3, 0, 12, 11, 6);   // ICC_ASGI1R_EL1
  constexpr std::uint32_t kSgi0 = system_register(3, 0, 12, 11, 7);        // ICC_SGI0R_EL1
  const std::uint32_t encoding = access.encoding();
  const bool is_sgi = encoding == kSgi0 || encoding == kSgi1 || encoding == kAliasSgi1;
  if (access.read || (!is_sgi && encoding != kDeactivate)) return false;
  PartitionInterrupts& interrupts = of(partition);
  const CoreIndex index = index_of(core, partition);
  Visit visit{interrupts, index};
  if (is_sgi) {
    const vgic::SgiRegister which = encoding == kSgi0   ? vgic::SgiRegister::kSgi0
                                    : encoding == kSgi1 ? vgic::SgiRegister::kSgi1
                                                        : vgic::SgiRegister::kAliasSgi1;
    interrupts.controller.send_sgi(index, which, value, visit.actions());
  } else if (visit.ends_separately()) {
    interrupts.controller.deactivate(index, base::Intid{static_cast<std::uint32_t>(value & 0xFF'FFFF)}, visit.actions());
  }
  return true;
}

}  // namespace monitor
