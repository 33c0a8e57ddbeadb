// Reset, stop, and cores that come and go; and what follows for the physical GIC when configuration changes.
#include <bit>

#include "firmware/vgic/controller.hpp"

namespace vgic {
namespace {

constexpr std::uint32_t kSgis = 0xFFFF;

// MPIDR_EL1 has Aff3 in bits 39:32, Aff2 to Aff0 in bits 23:0.
[[nodiscard]] constexpr std::uint32_t packed_affinity(std::uint64_t mpidr) {
  return static_cast<std::uint32_t>((mpidr >> 8 & 0xFF00'0000) | (mpidr & 0x00FF'FFFF));
}

[[nodiscard]] bool is_sound(const Configuration& configuration) {
  if (configuration.cores == 0 || configuration.cores > kMaxCores) return false;
  for (std::size_t i = 0; i < configuration.cores; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (packed_affinity(configuration.mpidr[i]) == packed_affinity(configuration.mpidr[j])) return false;
    }
  }
  for (std::size_t word = 0; word < kWords; ++word) {
    const std::uint32_t physical = configuration.physical.word(word);
    const std::uint32_t message = configuration.message.word(word);
    const std::uint32_t raised = configuration.raised.word(word);
    if (((physical & message) | (physical & raised) | (message & raised)) != 0) return false;
    if (word == 0 && (message != 0 || ((physical | raised) & kSgis) != 0)) return false;
  }
  return true;
}

}  // namespace

base::Status Controller::reset(const Configuration& configuration) {
  if (!is_sound(configuration)) return base::Error::kInvalidArgument;
  for (Bank& bank : banks_) bank = Bank{};
  for (Core& core : cores_) core = Core{};
  for (std::size_t slot = 0; slot < interrupts_.size(); ++slot) {
    const std::uint8_t own = slot < 32U * kMaxCores ? static_cast<std::uint8_t>(slot / 32) : kNowhere;
    interrupts_[slot] = Interrupt{.affinity = 0,
                                  .priority = 0,
                                  .target = own,
                                  .holder = own,
                                  .queued = kNowhere,
                                  .routed = kNowhere,
                                  .ran_priority = 0,
                                  .ran_group1 = false};
  }
  core_count_ = configuration.cores;
  online_ = groups_enabled_ = distributor_waits_ = redistributors_wait_ = 0;
  bool affinity3 = false;
  bool wide_affinity0 = false;
  for (std::size_t i = 0; i < core_count_; ++i) {
    const std::uint32_t affinity = packed_affinity(configuration.mpidr[i]);
    cores_[i].affinity = affinity;
    cores_[i].processor_sleep = true;
    affinity3 = affinity3 || affinity >> 24 != 0;
    wide_affinity0 = wide_affinity0 || (affinity & 0xFF) > 15;
  }
  bool messages = false;
  for (std::size_t index = 0; index < kBanks; ++index) {
    const std::size_t word = word_of_bank(index);
    if (word == 0 && index >= core_count_) continue;
    Bank& bank = banks_[index];
    bank.physical = configuration.physical.word(word);
    bank.message = configuration.message.word(word);
    bank.present = bank.physical | bank.message | configuration.raised.word(word);
    if (word == 0) {
      bank.present |= kSgis;
      bank.edge = kSgis;
    }
    messages = messages || bank.message != 0;
  }
  // GICD_TYPER: ITLinesNumber to INTID 1019, MBIS, IDbits = 10, A3V, RSS. No extended SPIs, no LPIs, 1 of N supported.
  type_ = 31U | (messages ? 1U << 16 : 0) | 9U << 19 | (affinity3 ? 1U << 24 : 0) | (wide_affinity0 ? 1U << 26 : 0);
  Actions none;  // every core is off, nothing goes out
  for (std::size_t index = kMaxCores; index < kBanks; ++index) {
    for (std::uint32_t bits = banks_[index].present; bits != 0; bits &= bits - 1) {
      retarget(place(32 * index + static_cast<std::size_t>(std::countr_zero(bits))), none);
    }
  }
  return {};
}

void Controller::stop(Actions& actions) {
  for (std::size_t index = 0; index < kBanks; ++index) {
    Bank& bank = banks_[index];
    if (bank.physical == 0) continue;
    const std::size_t word = word_of_bank(index);
    if (word == 0 && !is_online(static_cast<std::uint8_t>(index))) continue;  // clean since it left, and maybe another's
    const CoreIndex core{word == 0 ? static_cast<std::uint8_t>(index) : std::uint8_t{0}};
    actions.add(ActionKind::kDisable, word, core, bank.physical);
    actions.add(ActionKind::kClearPending, word, core, bank.physical);
    actions.add(ActionKind::kDeactivate, word, core, bank.physical);
    if (word != 0) actions.add(ActionKind::kMakeLevel, word, core, bank.physical);
  }
  // Nothing is left that could ask for more.
  for (Bank& bank : banks_) bank = Bank{};
  for (Interrupt& interrupt : interrupts_) interrupt.queued = kNowhere;
  for (Core& core : cores_) {
    core.used = 0;
    core.queued_words = 0;
    core.queue = {};
  }
  online_ = groups_enabled_ = distributor_waits_ = redistributors_wait_ = 0;
}

void Controller::admit(base::Intid intid, Actions& actions) {
  if (intid.value < kFirstSpi || intid.value >= kIntids) return;
  const Place at = place(CoreIndex{0}, intid);
  if ((at.bank.present & at.bit) != 0) return;
  at.bank.present |= at.bit;
  at.bank.physical |= at.bit;
  at.interrupt.affinity = 0;
  at.interrupt.priority = 0;
  at.interrupt.routed = kNowhere;
  retarget(at, actions);
}

void Controller::withdraw(base::Intid intid, Actions& actions) {
  if (intid.value < kFirstSpi || intid.value >= kIntids) return;
  const Place at = place(CoreIndex{0}, intid);
  Bank& bank = at.bank;
  if ((bank.physical & at.bit) == 0) return;
  for (const ActionKind kind :
       {ActionKind::kDisable, ActionKind::kClearPending, ActionKind::kDeactivate, ActionKind::kMakeLevel}) {
    act(kind, at, actions);
  }
  // What stands in a list register goes at that core's next sync: the physical interrupt behind it is over already.
  if ((bank.listed & at.bit) != 0) {
    bank.drop_pending |= at.bit;
    bank.drop_active |= at.bit;
    kick(at.interrupt.holder, actions);
  }
  move_to_queue(at, kNowhere);
  for (std::uint32_t* bits : {&bank.present, &bank.physical, &bank.enabled, &bank.group1, &bank.edge, &bank.latch,
                              &bank.active, &bank.listed_latch, &bank.taken, &bank.came_again, &bank.set_by_guest,
                              &bank.armed, &bank.any_core, &bank.gain_active, &bank.written, &bank.set_in_machine}) {
    *bits &= ~at.bit;
  }
}

std::uint8_t Controller::lowest_online() const {
  return online_ == 0 ? kNowhere : static_cast<std::uint8_t>(std::countr_zero(online_));
}

void Controller::retarget(const Place& at, Actions& actions) {
  Interrupt& interrupt = at.interrupt;
  interrupt.target = kNowhere;
  // 1 of N is one of N: the first that is on. The physical GIC's own choice could fall on another partition's core.
  if ((at.bank.any_core & at.bit) != 0) {
    interrupt.target = lowest_online();
  } else {
    for (std::uint8_t i = 0; i < core_count_; ++i) {
      if (cores_[i].affinity == interrupt.affinity) interrupt.target = i;
    }
  }
  if (((at.bank.physical | at.bank.message) & at.bit) == 0) return;
  std::uint8_t wanted = interrupt.target;
  if (!is_online(wanted)) {
    // A line is disabled meanwhile. A device's message comes nevertheless, and is kept here: on a core of the partition's.
    if ((at.bank.message & at.bit) == 0) return;
    wanted = is_online(interrupt.routed) ? interrupt.routed : lowest_online();
    if (wanted == kNowhere) return;  // the last core has gone; the monitor takes in what comes to it
  }
  if (interrupt.routed == wanted) return;
  interrupt.routed = wanted;
  act(ActionKind::kRoute, at, actions);
}

void Controller::retarget_all(std::uint8_t core, Actions& actions) {
  for (std::size_t index = kMaxCores; index < kBanks; ++index) {
    for (std::uint32_t bits = banks_[index].present; bits != 0; bits &= bits - 1) {
      const Place at = place(32 * index + static_cast<std::size_t>(std::countr_zero(bits)));
      // Messages may have gone to it for want of a better core, or have had none.
      if (at.interrupt.target != core && ((at.bank.any_core | at.bank.message) & at.bit) == 0) continue;
      retarget(at, actions);
      reconfigure(at, actions);
    }
  }
}

void Controller::reconfigure(const Place& at, Actions& actions) {
  Bank& bank = at.bank;
  if ((bank.physical & at.bit) != 0 && is_deliverable(at) != ((bank.armed & at.bit) != 0)) {
    bank.armed ^= at.bit;
    act((bank.armed & at.bit) != 0 ? ActionKind::kEnable : ActionKind::kDisable, at, actions);
  }
  requeue(at, actions);
}
void Controller::reconfigure_all(std::size_t bank, std::uint32_t mask, Actions& actions) {
  for (; mask != 0; mask &= mask - 1) {
    reconfigure(place(32 * bank + static_cast<std::size_t>(std::countr_zero(mask))), actions);
  }
}

// A redistributor's registers as after reset. A line that the monitor drives keeps its level.
void Controller::clear_private(CoreIndex core, Actions& actions) {
  Bank& bank = banks_[core.value];
  if (bank.armed != 0) actions.add(ActionKind::kDisable, 0, core, bank.armed);
  // What the guest made pending itself must not come to whoever has the core next.
  if (bank.physical != 0) actions.add(ActionKind::kClearPending, 0, core, bank.physical);
  if (bank.taken != 0) actions.add(ActionKind::kDeactivate, 0, core, bank.taken);
  bank = Bank{.present = bank.present,
              .physical = bank.physical,
              .message = 0,
              .enabled = 0,
              .group1 = 0,
              .edge = bank.edge,
              .latch = 0,
              .line = bank.line,
              .active = 0,
              .written = 0,
              .listed = 0,
              .listed_latch = 0,
              .taken = 0,
              .came_again = 0,
              .set_in_machine = 0,
              .set_by_guest = 0,
              .armed = 0,
              .any_core = 0,
              .drop_pending = 0,
              .drop_active = 0,
              .gain_active = 0};
  for (std::size_t i = 0; i < 32; ++i) {
    Interrupt& interrupt = interrupts_[32U * core.value + i];
    interrupt.priority = 0;
    interrupt.queued = kNowhere;
  }
  Core& at = cores_[core.value];
  at.queue[0] = 0;
  at.queued_words &= ~std::uint32_t{1};
  at.processor_sleep = true;
}

void Controller::join(CoreIndex core, Actions& actions) {
  if (core.value >= core_count_) return;
  online_ |= static_cast<std::uint8_t>(1U << core.value);
  Bank& bank = banks_[core.value];
  // What is pending in the machine may be another's; what this partition asked for meanwhile was not said yet.
  if (bank.physical != 0) actions.add(ActionKind::kClearPending, 0, core, bank.physical);
  if (bank.set_in_machine != 0) actions.add(ActionKind::kSetPending, 0, core, bank.set_in_machine);
  reconfigure_all(core.value, bank.enabled, actions);
  retarget_all(core.value, actions);
}

void Controller::leave(CoreIndex core, Actions& actions) {
  if (core.value >= core_count_) return;
  Core& at = cores_[core.value];
  online_ &= static_cast<std::uint8_t>(~(1U << core.value));
  const std::uint8_t listed = at.used;
  at.used = 0;
  for (std::size_t i = 0; i < listed; ++i) take_back(at.listed[i], 1, actions);  // none, after sync()
  clear_private(core, actions);
  // What it took stays active, and no EOI of its will come.
  for (std::size_t word = 1; word < kWords; ++word) {
    const std::size_t index = bank_of(core, word);
    for (std::uint32_t bits = at.queue[word] & banks_[index].active; bits != 0; bits &= bits - 1) {
      const Place held = place(32 * index + static_cast<std::size_t>(std::countr_zero(bits)));
      held.bank.written |= held.bit;
      move_to_queue(held, kNowhere);
    }
  }
  retarget_all(core.value, actions);
  actions.forget_kick(core);
  const auto others = static_cast<std::uint8_t>(~(1U << core.value));
  distributor_waits_ &= others;
  redistributors_wait_ &= others;
}

}  // namespace vgic
