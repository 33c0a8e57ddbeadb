// From "it happened" to a list register and back: what every interrupt passes through.
#include <bit>

#include "firmware/vgic/controller.hpp"
#include "hal/registers/gicv3.hpp"

namespace vgic {
namespace {

namespace list_register = hal::registers::gicv3::list_register;

// The best few of many, best first. A key is a priority, then the slot: a lower INTID goes first (IHI 0069, 4.8).
class Best {
 public:
  void insert(std::uint32_t key) {
    ++offered_;
    if (kept_ == kMaxListRegisters) {
      if (key > keys_[kept_ - 1]) return;
      --kept_;
    }
    std::size_t i = kept_++;
    for (; i > 0 && keys_[i - 1] > key; --i) keys_[i] = keys_[i - 1];
    keys_[i] = key;
  }
  [[nodiscard]] std::size_t offered() const { return offered_; }
  [[nodiscard]] std::uint16_t slot(std::size_t index) const { return static_cast<std::uint16_t>(keys_[index]); }

 private:
  std::array<std::uint32_t, kMaxListRegisters> keys_;
  std::size_t kept_{0};
  std::size_t offered_{0};
};

}  // namespace

Controller::Place Controller::place(std::size_t slot) {
  return {banks_[slot / 32], interrupts_[slot], std::uint32_t{1} << (slot % 32), static_cast<std::uint16_t>(slot)};
}
Controller::Place Controller::place(CoreIndex core, base::Intid intid) {
  return place(32 * bank_of(core, intid.value / 32) + intid.value % 32);
}
std::uint32_t Controller::group_enabled(const Bank& bank) const {
  return ((groups_enabled_ & 1) != 0 ? ~bank.group1 : 0) | ((groups_enabled_ & 2) != 0 ? bank.group1 : 0);
}
bool Controller::is_deliverable(const Place& at) const {
  return (at.bank.enabled & group_enabled(at.bank) & at.bit) != 0 && is_online(at.interrupt.target);
}

void Controller::act(ActionKind kind, const Place& at, Actions& actions) const {
  const std::size_t bank = at.slot / 32U;
  // The private interrupts of a core that is off are not this partition's to touch: the core may run another's code.
  if (bank < kMaxCores && !is_online(static_cast<std::uint8_t>(bank))) return;
  const std::uint8_t core = kind == ActionKind::kRoute ? at.interrupt.routed
                            : bank < kMaxCores         ? static_cast<std::uint8_t>(bank)
                                                       : std::uint8_t{0};
  const std::uint32_t movable = kind == ActionKind::kRoute ? at.bank.physical | at.bank.message : at.bank.physical;
  const std::uint32_t own = at.bit & movable;  // nothing else can get out of here
  if (own != 0) actions.add(kind, word_of_bank(bank), CoreIndex{core}, own);
}

void Controller::move_to_queue(const Place& at, std::uint8_t core) {
  const std::size_t word = word_of_bank(at.slot / 32U);
  const std::uint8_t before = at.interrupt.queued;
  if (before != kNowhere) {
    Core& from = cores_[before];
    from.queue[word] &= ~at.bit;
    if (from.queue[word] == 0) from.queued_words &= ~(std::uint32_t{1} << word);
  }
  if (core != kNowhere) {
    cores_[core].queue[word] |= at.bit;
    cores_[core].queued_words |= std::uint32_t{1} << word;
  }
  at.interrupt.queued = core;
}

// An edge, and what the guest itself made pending, has to come again, so it is made pending before it is active no more; a
// level that is still high does so by itself, and one that fell meanwhile must not.
void Controller::give_back(const Place& at, Actions& actions) {
  if (((at.bank.edge | at.bank.set_by_guest) & at.bit) != 0) act(ActionKind::kSetPending, at, actions);
  act(ActionKind::kDeactivate, at, actions);
  at.bank.latch &= ~at.bit;
  at.bank.taken &= ~at.bit;
  at.bank.set_in_machine |= at.bank.set_by_guest & at.bit;
  at.bank.set_by_guest &= ~at.bit;
}

void Controller::requeue(const Place& at, Actions& actions) {
  Bank& bank = at.bank;
  if ((bank.listed & at.bit) != 0) return kick(at.interrupt.holder, actions);
  std::uint8_t core = kNowhere;
  if ((bank.active & at.bit) != 0) {
    if ((bank.written & at.bit) == 0) core = at.interrupt.holder;
  } else if ((pending(bank) & at.bit) != 0) {
    if (is_deliverable(at)) {
      core = at.interrupt.target;
    } else if ((bank.taken & at.bit) != 0) {
      give_back(at, actions);
    }
  }
  if (at.interrupt.queued != core) move_to_queue(at, core);
  if (core != kNowhere) kick(core, actions);
}

base::Status Controller::physical(CoreIndex core, base::Intid intid, Actions& actions) {
  if (core.value >= core_count_ || intid.value >= kIntids) return base::Error::kNotOwned;
  const Place at = place(core, intid);
  Bank& bank = at.bank;
  if ((bank.physical & at.bit) == 0) return base::Error::kNotOwned;
  // It can only come while it is not active in the physical GIC: if it is listed, the guest has ended it there and that
  // core has yet to sync.
  bank.came_again |= bank.listed & at.bit;
  bank.taken |= at.bit;
  bank.latch |= at.bit;
  bank.set_by_guest |= bank.set_in_machine & at.bit;
  bank.set_in_machine &= ~at.bit;
  if (((bank.listed | bank.active) & at.bit) == 0 && at.interrupt.queued == kNowhere && is_deliverable(at)) [[likely]] {
    const std::size_t word = intid.value / 32;  // as requeue() would, in fewer steps
    Core& to = cores_[at.interrupt.target];
    to.queue[word] |= at.bit;
    to.queued_words |= std::uint32_t{1} << word;
    at.interrupt.queued = at.interrupt.target;
    actions.kick(CoreIndex{at.interrupt.target});
    return {};
  }
  requeue(at, actions);
  return {};
}

void Controller::set_line(const Place& at, bool level, Actions& actions) {
  Bank& bank = at.bank;
  if (((bank.line & at.bit) != 0) == level) return;
  bank.line ^= at.bit;
  if ((bank.edge & at.bit) != 0) {
    if (!level) return;
    bank.latch |= at.bit;
  }
  requeue(at, actions);
}
base::Status Controller::raise(base::Intid intid, bool level, Actions& actions) {
  if (intid.value < kFirstSpi || intid.value >= kIntids) return base::Error::kNotOwned;
  const Place at = place(CoreIndex{0}, intid);
  if ((at.bank.present & ~at.bank.physical & ~at.bank.message & at.bit) == 0) return base::Error::kNotOwned;
  set_line(at, level, actions);
  return {};
}
bool Controller::fall(base::Intid intid) {
  if (intid.value < kFirstSpi || intid.value >= kIntids) return false;
  const Place at = place(CoreIndex{0}, intid);
  if ((at.bank.present & ~at.bank.physical & ~at.bank.message & at.bank.edge & at.bit) == 0) return false;
  at.bank.line &= ~at.bit;
  return true;
}
base::Status Controller::raise_private(CoreIndex core, base::Intid intid, bool level, Actions& actions) {
  if (core.value >= core_count_ || intid.value < kFirstPpi || intid.value >= kFirstSpi) return base::Error::kNotOwned;
  const Place at = place(core, intid);
  if ((at.bank.present & ~at.bank.physical & at.bit) == 0) return base::Error::kNotOwned;
  set_line(at, level, actions);
  return {};
}
base::Status Controller::message(base::Intid intid, Actions& actions) {
  if (intid.value < kFirstSpi || intid.value >= kIntids) return base::Error::kNotOwned;
  const Place at = place(CoreIndex{0}, intid);
  Bank& bank = at.bank;
  if ((bank.present & ~bank.physical & at.bit) == 0) return base::Error::kNotOwned;
  if ((bank.message & ~bank.edge & at.bit) != 0) {
    bank.line |= at.bit;
  } else {
    bank.latch |= at.bit;
  }
  requeue(at, actions);
  return {};
}

void Controller::send_sgi(CoreIndex from, SgiRegister which, std::uint64_t value, Actions& actions) {
  namespace sgi = hal::registers::gicv3::sgi;
  const base::Intid intid{static_cast<std::uint32_t>(sgi::Intid::get(value))};
  const bool all_but_self = (value & sgi::kAllButSelf) != 0;
  const std::uint32_t cluster = static_cast<std::uint32_t>(
      sgi::Affinity3::get(value) << 24 | sgi::Affinity2::get(value) << 16 | sgi::Affinity1::get(value) << 8);
  for (std::uint8_t i = 0; i < core_count_; ++i) {
    const std::uint32_t affinity = cores_[i].affinity;
    const std::uint32_t in_range = affinity & 0xF;
    const bool named = (affinity & ~std::uint32_t{0xFF}) == cluster &&
                       (affinity >> 4 & 0xF) == sgi::RangeSelector::get(value) &&
                       (sgi::TargetList::get(value) >> in_range & 1) != 0;
    // To a core that is off, too: its redistributor keeps it (IHI 0069, chapter 11).
    if (!(all_but_self ? i != from.value : named)) continue;
    const Place at = place(CoreIndex{i}, intid);
    // One security state: ICC_SGI1R_EL1 makes one of either group, the two others of group 0 only (IHI 0069, table of
    // "Forwarding an SGI to a target PE").
    if (which != SgiRegister::kSgi1 && (at.bank.group1 & at.bit) != 0) continue;
    at.bank.latch |= at.bit;
    requeue(at, actions);
  }
}

void Controller::end_active(const Place& at, Actions& actions) {
  Bank& bank = at.bank;
  bank.active &= ~at.bit;
  bank.written &= ~at.bit;
  if ((bank.taken & ~bank.latch & at.bit) != 0) {  // with the latch, it was taken for the next time
    bank.taken &= ~at.bit;
    act(ActionKind::kDeactivate, at, actions);
  }
  requeue(at, actions);
}
void Controller::deactivate(CoreIndex core, base::Intid intid, Actions& actions) {
  if (core.value >= core_count_ || intid.value >= kIntids) return;
  const Place at = place(core, intid);
  if ((at.bank.present & at.bit) != 0) clear_active(at.slot / 32U, at.bit, actions);
}
void Controller::end_outside(CoreIndex core, unsigned count, Actions& actions) {
  constexpr unsigned kMostCounted = hal::registers::gicv3::hypervisor_control::EoiCount::kMax;
  for (unsigned i = 0; i < count && i < kMostCounted; ++i) {
    std::uint32_t best = ~std::uint32_t{0};
    for (std::uint32_t words = cores_[core.value].queued_words; words != 0; words &= words - 1) {
      const auto word = static_cast<std::size_t>(std::countr_zero(words));
      const std::size_t bank = bank_of(core, word);
      for (std::uint32_t bits = cores_[core.value].queue[word] & banks_[bank].active; bits != 0; bits &= bits - 1) {
        const auto slot = static_cast<std::uint32_t>(32 * bank) + static_cast<std::uint32_t>(std::countr_zero(bits));
        const std::uint32_t key = std::uint32_t{interrupts_[slot].ran_priority} << 16 | slot;
        if (key < best) best = key;
      }
    }
    if (best == ~std::uint32_t{0}) return;
    end_active(place(best & 0xFFFF), actions);
  }
}

void Controller::take_back(const Listed& listed, std::uint64_t state, Actions& actions) {
  const Place at = place(listed.slot);
  Bank& bank = at.bank;
  const std::uint32_t bit = at.bit;
  const std::uint32_t latched = bank.listed_latch & bit;
  bool pending_there = (state & list_register::kPending) != 0;
  bool active_there = (state & list_register::kActive) != 0;
  bool hardware = listed.hardware;
  bank.listed &= ~bit;
  bank.listed_latch &= ~bit;
  if ((bank.came_again & bit) != 0) [[unlikely]] {
    bank.came_again &= ~bit;
    pending_there = active_there = hardware = false;  // over; `taken` and `latch` are of the next one
  }
  if (hardware && !pending_there && !active_there) {
    bank.taken &= ~bit;
    hardware = false;
  }
  if (((bank.drop_pending | bank.drop_active | bank.gain_active) & bit) != 0) [[unlikely]] {
    const bool drop = ((active_there ? bank.drop_active : bank.drop_pending) & bit) != 0;
    if (hardware && drop) {
      bank.taken &= ~bit;
      act(ActionKind::kDeactivate, at, actions);
    }
    if ((bank.drop_pending & bit) != 0) pending_there = false;
    if ((bank.drop_active & bit) != 0) active_there = false;
    if ((bank.gain_active & bit) != 0 && !active_there) {
      active_there = true;
      bank.written |= bit;
    }
    bank.drop_pending &= ~bit;
    bank.drop_active &= ~bit;
    bank.gain_active &= ~bit;
  }
  if (pending_there) {
    bank.latch |= latched;
  } else if ((bank.latch & bit) == 0) {
    bank.set_by_guest &= ~bit;
  }
  bank.active = active_there ? bank.active | bit : bank.active & ~bit;
  if (((bank.active | pending(bank)) & bit) != 0) requeue(at, actions);
}

void Controller::sync(CoreIndex core, std::span<std::uint64_t> list_registers, unsigned ended_outside,
                      Actions& actions) {
  Core& at = cores_[core.value];
  if (ended_outside != 0) [[unlikely]] end_outside(core, ended_outside, actions);
  const std::size_t used = at.used < list_registers.size() ? at.used : list_registers.size();
  for (std::size_t i = 0; i < used; ++i) {
    take_back(at.listed[i], list_register::State::get(list_registers[i]), actions);
    list_registers[i] = 0;
  }
  at.used = 0;
  const auto others = static_cast<std::uint8_t>(~(1U << core.value));
  distributor_waits_ &= others;
  redistributors_wait_ &= others;
}

// The value of a list register, and what the model remembers of it. The caller takes it out of the queue.
std::uint64_t Controller::list(CoreIndex core, std::uint16_t slot, Listed& listed) {
  const Place at = place(slot);
  Bank& bank = at.bank;
  Interrupt& interrupt = at.interrupt;
  const std::uint32_t bit = at.bit;
  bank.listed |= bit;
  interrupt.holder = core.value;
  const std::uint64_t intid = intid_of(slot);
  if ((bank.active & bit) != 0) [[unlikely]] return list_active(at, listed);
  bank.listed_latch |= bank.latch & bit;
  bank.latch &= ~bit;
  interrupt.ran_priority = interrupt.priority;
  interrupt.ran_group1 = (bank.group1 & bit) != 0;
  listed = {slot, (bank.taken & bit) != 0};
  std::uint64_t value = list_register::VirtualId::put(intid) | list_register::State::put(list_register::kPending) |
                        list_register::Priority::put(interrupt.priority);
  if (interrupt.ran_group1) value |= list_register::kGroup1;
  if (listed.hardware) return value | list_register::kHardware | list_register::PhysicalId::put(intid);
  // Still high when the guest is done: pending once more.
  return (bank.line & ~bank.edge & bit) != 0 ? value | list_register::kMaintenanceAtEnd : value;
}

std::uint64_t Controller::list_active(const Place& at, Listed& listed) {
  Bank& bank = at.bank;
  const std::uint64_t intid = intid_of(at.slot);
  listed = {at.slot, (bank.taken & at.bit) != 0};
  std::uint64_t value = list_register::VirtualId::put(intid) | list_register::Priority::put(at.interrupt.ran_priority);
  if (at.interrupt.ran_group1) value |= list_register::kGroup1;
  if ((bank.edge & ~bank.physical & bank.latch & at.bit) != 0 && at.interrupt.target == at.interrupt.holder &&
      is_deliverable(at)) {
    bank.listed_latch |= at.bit;
    bank.latch &= ~at.bit;
    return value | list_register::State::put(list_register::kPendingAndActive);
  }
  value |= list_register::State::put(list_register::kActive);
  if (listed.hardware) return value | list_register::kHardware | list_register::PhysicalId::put(intid);
  return (pending(bank) & at.bit) != 0 ? value | list_register::kMaintenanceAtEnd : value;
}

Maintenance Controller::fill(CoreIndex core, std::span<std::uint64_t> list_registers, EnabledGroups groups) {
  Core& at = cores_[core.value];
  if (!is_online(core.value)) {  // it goes: what is active stays so in the physical GIC, until the guest ends it
    for (std::uint64_t& value : list_registers) value = 0;
    at.used = 0;
    return {};
  }
  // Nothing or one, as nearly always: no order to find.
  if ((at.queued_words & (at.queued_words - 1)) == 0 && !list_registers.empty()) {
    const auto word = static_cast<std::size_t>(std::countr_zero(at.queued_words | std::uint32_t{1} << 31));
    const std::uint32_t bits = at.queue[word];
    if ((bits & (bits - 1)) == 0) {
      std::size_t used = 0;
      if (bits != 0) {
        const std::size_t slot = 32 * bank_of(core, word) + static_cast<std::size_t>(std::countr_zero(bits));
        list_registers[used++] = list(core, static_cast<std::uint16_t>(slot), at.listed[0]);
        at.queue[word] = at.queued_words = 0;
        interrupts_[slot].queued = kNowhere;
      }
      at.used = static_cast<std::uint8_t>(used);
      for (; used < list_registers.size(); ++used) {
        if (list_registers[used] != 0) list_registers[used] = 0;  // mostly it is, after sync(): no call of memset
      }
      return {.no_pending = false, .end_of_outside = false, .group_change = false};
    }
  }
  return fill_in_order(core, list_registers, groups);
}

Maintenance Controller::fill_in_order(CoreIndex core, std::span<std::uint64_t> list_registers, EnabledGroups groups) {
  Core& at = cores_[core.value];
  Best active;
  Best waiting;
  for (std::uint32_t words = at.queued_words; words != 0; words &= words - 1) {
    const auto word = static_cast<std::size_t>(std::countr_zero(words));
    const std::size_t index = bank_of(core, word);
    const Bank& bank = banks_[index];
    for (std::uint32_t bits = at.queue[word]; bits != 0; bits &= bits - 1) {
      const std::uint32_t bit = bits & -bits;
      const auto slot = static_cast<std::uint32_t>(32 * index) + static_cast<std::uint32_t>(std::countr_zero(bits));
      if ((bank.active & bit) != 0) {
        active.insert(std::uint32_t{interrupts_[slot].ran_priority} << 16 | slot);
      } else {
        const bool refused = !((bank.group1 & bit) != 0 ? groups.group1 : groups.group0);
        waiting.insert(std::uint32_t{refused} << 24 | std::uint32_t{interrupts_[slot].priority} << 16 | slot);
      }
    }
  }
  const std::size_t room = list_registers.size() < kMaxListRegisters ? list_registers.size() : kMaxListRegisters;
  const std::size_t reserved = waiting.offered() != 0 && room != 0 ? 1 : 0;
  const std::size_t actives = active.offered() < room - reserved ? active.offered() : room - reserved;
  const std::size_t pendings = waiting.offered() < room - actives ? waiting.offered() : room - actives;
  std::size_t used = 0;
  for (std::size_t i = 0; i < pendings; ++i, ++used) {
    list_registers[used] = list(core, waiting.slot(i), at.listed[used]);
    move_to_queue(place(waiting.slot(i)), kNowhere);
  }
  for (std::size_t i = 0; i < actives; ++i, ++used) {
    list_registers[used] = list(core, active.slot(i), at.listed[used]);
    move_to_queue(place(active.slot(i)), kNowhere);
  }
  at.used = static_cast<std::uint8_t>(used);
  for (; used < list_registers.size(); ++used) list_registers[used] = 0;
  const bool more = waiting.offered() > pendings;
  return {.no_pending = more, .end_of_outside = active.offered() > actives, .group_change = more};
}

bool Controller::has_pending(CoreIndex core) const {
  const Core& at = cores_[core.value];
  for (std::uint32_t words = at.queued_words; words != 0; words &= words - 1) {
    const auto word = static_cast<std::size_t>(std::countr_zero(words));
    if ((at.queue[word] & ~banks_[bank_of(core, word)].active) != 0) return true;
  }
  return false;
}

}  // namespace vgic
