#include "tests/model/vgic_machine.hpp"

#include <algorithm>

namespace vgic_model {
namespace {

// ICH_LR<n>_EL2, written down again (IHI 0069, 12.4).
constexpr std::uint64_t kPendingBit = std::uint64_t{1} << 62;
constexpr std::uint64_t kActiveBit = std::uint64_t{1} << 63;
constexpr std::uint64_t kHardwareBit = std::uint64_t{1} << 61;
constexpr std::uint64_t kGroup1Bit = std::uint64_t{1} << 60;
constexpr std::uint64_t kEndBit = std::uint64_t{1} << 41;
[[nodiscard]] bool is_pending(std::uint64_t lr) { return (lr & kPendingBit) != 0; }
[[nodiscard]] bool is_active(std::uint64_t lr) { return (lr & kActiveBit) != 0; }
[[nodiscard]] std::uint32_t virtual_id(std::uint64_t lr) { return static_cast<std::uint32_t>(lr); }
[[nodiscard]] std::uint32_t physical_id(std::uint64_t lr) { return static_cast<std::uint32_t>(lr >> 32 & 0x1FFF); }
[[nodiscard]] std::uint8_t priority(std::uint64_t lr) { return static_cast<std::uint8_t>(lr >> 48); }

}  // namespace

Frame frame_of(unsigned core, std::uint32_t intid) { return intid < vgic::kFirstSpi ? sgi_frame(core) : kDistributor; }

// ---- The physical GIC ---------------------------------------------------------------------------------------

void PhysicalGic::apply(const vgic::Action& action, std::string& broken) {
  for (unsigned i = 0; i < 32; ++i) {
    if ((action.mask >> i & 1) == 0) continue;
    const base::Intid intid{action.word * 32U + i};
    const bool movable = action.kind == vgic::ActionKind::kRoute && configuration_.message.contains(intid);
    if (!(configuration_.physical.contains(intid) || movable) || action.core.value >= configuration_.cores) {
      if (broken.empty()) broken = "an action about INTID " + std::to_string(intid.value) + ", which is not the guest's";
      continue;
    }
    Line& one = line(action.core.value, intid.value);
    switch (action.kind) {
      case vgic::ActionKind::kEnable: one.enabled = true; break;
      case vgic::ActionKind::kDisable: one.enabled = false; break;
      case vgic::ActionKind::kRoute: one.route = action.core.value; break;
      case vgic::ActionKind::kMakeEdge: one.edge = true; break;
      case vgic::ActionKind::kMakeLevel: one.edge = false; break;
      case vgic::ActionKind::kSetPending: one.latch = true; break;
      case vgic::ActionKind::kClearPending: one.latch = false; break;
      case vgic::ActionKind::kDeactivate: one.active = false; break;
    }
  }
}

void PhysicalGic::set_high(unsigned core, std::uint32_t intid, bool high) {
  Line& one = line(core, intid);
  if (one.edge && high && !one.high) one.latch = true;
  one.high = high;
}

std::optional<std::uint32_t> PhysicalGic::acknowledge(unsigned core) {
  for (auto& [key, one] : lines_) {
    const auto [of_core, intid] = key;
    const bool here = intid < vgic::kFirstSpi ? of_core == core : one.route == core;
    if (!here || !one.enabled || one.active || !one.pending()) continue;
    one.active = true;
    one.latch = false;
    return intid;
  }
  return std::nullopt;
}

std::uint32_t PhysicalGic::pending_word(unsigned core, std::size_t word) {
  std::uint32_t value = 0;
  for (const auto& [key, one] : lines_) {
    const auto [of_core, intid] = key;
    if (intid / 32 == word && (word != 0 || of_core == core) && one.pending()) value |= 1U << (intid % 32);
  }
  return value;
}

bool PhysicalGic::anything_enabled_pending_or_active() const {
  return std::any_of(lines_.begin(), lines_.end(), [](const auto& entry) {
    return entry.second.enabled || entry.second.latch || entry.second.active;
  });
}
std::size_t PhysicalGic::active_count() const {
  return static_cast<std::size_t>(
      std::count_if(lines_.begin(), lines_.end(), [](const auto& entry) { return entry.second.active; }));
}

// ---- The monitor between ------------------------------------------------------------------------------------

Machine::Machine(const vgic::Configuration& configuration, std::size_t list_registers)
    : gic(configuration), configuration_(configuration), list_registers_(list_registers), interfaces_(configuration.cores) {
  if (!controller.reset(configuration).ok()) fail("the configuration was refused");
}

void Machine::carry_out(const vgic::Actions& actions) {
  if (actions.overflow()) fail("too many actions");
  for (const vgic::Action& action : actions.list()) {
    gic.apply(action, broken);
    log.push_back(action);
  }
  kicked_ |= actions.kicks();
  for (unsigned i = 0; i < 8; ++i) {
    if ((actions.kicks() >> i & 1) != 0 && (i >= cores() || !interfaces_[i].online)) fail("a kick for a core that is off");
  }
  check_message_routes();
}

void Machine::exit(unsigned core, vgic::Actions& actions) {
  CpuInterface& at = interfaces_[core];
  const unsigned ended = at.split_end ? 0 : at.ended_outside;
  at.ended_outside = 0;
  controller.sync(CoreIndex{static_cast<std::uint8_t>(core)}, std::span(at.list_registers).first(list_registers_), ended,
                  actions);
}

void Machine::enter(unsigned core) {
  CpuInterface& at = interfaces_[core];
  at.groups_at_fill = {at.group0, at.group1};
  at.wanted = controller.fill(CoreIndex{static_cast<std::uint8_t>(core)},
                              std::span(at.list_registers).first(list_registers_), at.groups_at_fill);
  kicked_ &= static_cast<std::uint8_t>(~(1U << core));
  check_list_registers();
}

// A device's message comes when it wants, and no core that is off, perhaps another partition's, is to be troubled by it.
void Machine::check_message_routes() {
  const bool any = std::ranges::any_of(interfaces_, [](const CpuInterface& at) { return at.online; });
  for (std::uint32_t intid = vgic::kFirstSpi; any && intid < vgic::kIntids; ++intid) {
    if (!configuration_.message.contains(base::Intid{intid})) continue;
    const unsigned route = gic.line(0, intid).route;
    if (route >= cores() || !interfaces_[route].online) fail("messages go to a core that is off: " + std::to_string(intid));
  }
}

// What the architecture forbids in list registers (IHI 0069, 12.4, ICH_LR<n>_EL2).
void Machine::check_list_registers() {
  std::map<std::uint32_t, int> spis;
  for (unsigned core = 0; core < cores(); ++core) {
    std::map<std::uint32_t, int> here;
    for (const std::uint64_t lr : interfaces_[core].list_registers) {
      if (!is_pending(lr) && !is_active(lr)) continue;
      const std::uint32_t intid = virtual_id(lr);
      if (++here[intid] > 1) fail("one INTID in two list registers of a core");
      if (intid >= vgic::kFirstSpi && ++spis[intid] > 1) fail("one SPI in list registers of two cores");
      if ((lr & kHardwareBit) == 0) continue;
      if (is_pending(lr) && is_active(lr)) fail("a hardware list register is pending and active");
      if (physical_id(lr) != intid || !configuration_.physical.contains(base::Intid{intid})) {
        fail("a list register names a physical interrupt that is not the guest's");
      } else if (!gic.line(core, intid).active) {
        fail("a list register would end INTID " + std::to_string(intid) + ", which is not active");
      }
    }
  }
}

void Machine::run_kick(unsigned core) {
  if (!interfaces_[core].online) return;
  vgic::Actions actions;
  exit(core, actions);
  carry_out(actions);
  enter(core);
}
bool Machine::take_physical(unsigned core) {
  if (!interfaces_[core].online) return false;
  const std::optional<std::uint32_t> intid = gic.acknowledge(core);
  if (!intid) return false;
  vgic::Actions actions;
  exit(core, actions);
  const CoreIndex index{static_cast<std::uint8_t>(core)};
  if (!controller.physical(index, base::Intid{*intid}, actions).ok()) fail("a physical interrupt was refused");
  carry_out(actions);
  enter(core);
  return true;
}
bool Machine::run_maintenance(unsigned core) {
  CpuInterface& at = interfaces_[core];
  if (!at.online) return false;
  bool wanted = at.wanted.end_of_outside && at.ended_outside != 0;
  const auto used = std::span(at.list_registers).first(list_registers_);
  const bool none_pending =
      std::none_of(used.begin(), used.end(), [](std::uint64_t lr) { return is_pending(lr) && !is_active(lr); });
  wanted = wanted || (at.wanted.no_pending && none_pending);
  for (const std::uint64_t lr : used) {
    wanted = wanted || (!is_pending(lr) && !is_active(lr) && (lr & kEndBit) != 0 && (lr & kHardwareBit) == 0);
  }
  wanted = wanted || (at.wanted.group_change &&
                      (at.group0 != at.groups_at_fill.group0 || at.group1 != at.groups_at_fill.group1));
  if (wanted) run_kick(core);
  return wanted;
}
void Machine::settle() {
  constexpr int kMostRounds = 4000;
  bool more = true;
  for (int round = 0; more; ++round) {
    if (round == kMostRounds) return fail("a storm of interrupts");
    more = false;
    for (unsigned core = 0; core < cores(); ++core) {
      if (take_physical(core) || run_maintenance(core)) more = true;
      if ((kicked_ >> core & 1) != 0 && interfaces_[core].online) {
        run_kick(core);
        more = true;
      }
    }
  }
}

// ---- What the guest and the world do ------------------------------------------------------------------------

void Machine::power_on(unsigned core) {
  begin();
  vgic::Actions actions;
  interfaces_[core] = {};
  interfaces_[core].online = true;
  controller.join(CoreIndex{static_cast<std::uint8_t>(core)}, actions);
  carry_out(actions);
  enter(core);
  if (prompt) settle();
}
void Machine::power_off(unsigned core) {
  begin();
  vgic::Actions actions;
  exit(core, actions);
  controller.leave(CoreIndex{static_cast<std::uint8_t>(core)}, actions);
  interfaces_[core] = {};
  kicked_ &= static_cast<std::uint8_t>(~(1U << core));
  carry_out(actions);
  if (prompt) settle();
}

std::uint64_t Machine::read(unsigned core, Frame frame, std::uint64_t at, unsigned size) {
  begin();
  vgic::Actions actions;
  exit(core, actions);
  const auto value = controller.read(frame, at, size, actions);
  if (!value.ok()) fail("a read was refused");
  const Controller::PhysicalPending physical = controller.physical_pending(frame, at);
  const std::uint64_t more =
      physical.mask != 0 && size == 4 ? gic.pending_word(frame.core.value, physical.word) & physical.mask : 0;
  carry_out(actions);
  enter(core);
  if (prompt) settle();
  return value.ok() ? *value | more : 0;
}
void Machine::write(unsigned core, Frame frame, std::uint64_t at, std::uint64_t value, unsigned size) {
  begin();
  vgic::Actions actions;
  exit(core, actions);
  if (!controller.write(frame, at, size, value, actions).ok()) fail("a write was refused");
  carry_out(actions);
  enter(core);
  if (prompt) settle();
}
void Machine::send_sgi(unsigned core, vgic::SgiRegister which, std::uint64_t value) {
  begin();
  vgic::Actions actions;
  exit(core, actions);
  controller.send_sgi(CoreIndex{static_cast<std::uint8_t>(core)}, which, value, actions);
  carry_out(actions);
  enter(core);
  if (prompt) settle();
}
void Machine::set_high(unsigned core, std::uint32_t intid, bool high) {
  begin();
  gic.set_high(core, intid, high);
  if (prompt) settle();
}
void Machine::give(std::uint32_t intid) {
  begin();
  vgic::Actions actions;
  controller.admit(base::Intid{intid}, actions);
  carry_out(actions);
  if (prompt) settle();
}
void Machine::take_away(std::uint32_t intid) {
  begin();
  vgic::Actions actions;
  controller.withdraw(base::Intid{intid}, actions);
  carry_out(actions);
  if (prompt) settle();
}
void Machine::raise(std::uint32_t intid, bool level) {
  begin();
  vgic::Actions actions;
  if (!controller.raise(base::Intid{intid}, level, actions).ok()) fail("a line of the monitor was refused");
  carry_out(actions);
  if (prompt) settle();
}
void Machine::raise_private(unsigned core, std::uint32_t intid, bool level) {
  begin();
  vgic::Actions actions;
  const CoreIndex index{static_cast<std::uint8_t>(core)};
  if (!controller.raise_private(index, base::Intid{intid}, level, actions).ok()) fail("a PPI of the monitor was refused");
  carry_out(actions);
  if (prompt) settle();
}
void Machine::message(std::uint32_t intid, Arrival arrival) {
  begin();
  vgic::Actions actions;
  const unsigned core = gic.line(0, intid).route;
  const bool in_guest = arrival == Arrival::kWhereItIsRouted && core < cores() && interfaces_[core].online;
  if (in_guest) exit(core, actions);
  if (!controller.message(base::Intid{intid}, actions).ok()) fail("a message was refused");
  carry_out(actions);
  if (in_guest) enter(core);
  if (prompt) settle();
}

std::optional<std::size_t> Machine::best_pending(unsigned core) const {
  const CpuInterface& at = interfaces_[core];
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < list_registers_; ++i) {
    const std::uint64_t lr = at.list_registers[i];
    if (!is_pending(lr) || is_active(lr)) continue;
    if (!((lr & kGroup1Bit) != 0 ? at.group1 : at.group0)) continue;
    if (!best || priority(lr) < priority(at.list_registers[*best])) best = i;
  }
  if (!best) return best;
  const std::uint8_t level = priority(at.list_registers[*best]);
  const bool preempts = at.running.empty() || level < *std::min_element(at.running.begin(), at.running.end());
  return level < at.mask && preempts ? best : std::nullopt;
}

std::uint32_t Machine::acknowledge(unsigned core) {
  begin();
  CpuInterface& at = interfaces_[core];
  const std::optional<std::size_t> best = best_pending(core);
  if (!best) return kSpurious;
  std::uint64_t& lr = at.list_registers[*best];
  const std::uint32_t intid = virtual_id(lr);
  at.running.push_back(priority(lr));
  lr = (lr & ~kPendingBit) | kActiveBit;
  if (prompt) settle();
  return intid;
}

void Machine::end(unsigned core, std::uint32_t intid) {
  begin();
  CpuInterface& at = interfaces_[core];
  if (at.running.empty()) return;
  at.running.erase(std::min_element(at.running.begin(), at.running.end()));
  const auto used = std::span(at.list_registers).first(list_registers_);
  const auto found = std::find_if(used.begin(), used.end(), [intid](std::uint64_t lr) {
    return is_active(lr) && virtual_id(lr) == intid;
  });
  if (found == used.end()) {
    if (at.ended_outside < 31) ++at.ended_outside;
  } else if (!at.split_end) {
    *found &= ~kActiveBit;
    if ((*found & kHardwareBit) != 0) gic.line(core, physical_id(*found)).active = false;
  }
  if (prompt) settle();
}

void Machine::deactivate(unsigned core, std::uint32_t intid) {
  begin();
  if (!interfaces_[core].split_end) return;
  vgic::Actions actions;
  exit(core, actions);
  controller.deactivate(CoreIndex{static_cast<std::uint8_t>(core)}, base::Intid{intid}, actions);
  carry_out(actions);
  enter(core);
  if (prompt) settle();
}

}  // namespace vgic_model
