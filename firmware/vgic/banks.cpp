// The registers that have a bit or a field for each interrupt, the same in the distributor and in a redistributor.
#include <bit>

#include "firmware/vgic/controller.hpp"

namespace vgic {
namespace {

constexpr std::uint32_t kPriorityBits = 0xF8;  // 32 levels, as many as a virtual CPU interface has at least (ICH_VTR_EL2)

}  // namespace

std::uint32_t Controller::read_bank(std::size_t index, BankRegister which, Actions& actions) const {
  const Bank& bank = banks_[index];
  switch (which) {
    case BankRegister::kGroup: return bank.group1;
    case BankRegister::kSetEnable:
    case BankRegister::kClearEnable: return bank.enabled;
    case BankRegister::kSetPending:
    case BankRegister::kClearPending:
    case BankRegister::kSetActive:
    case BankRegister::kClearActive: break;
  }
  for (std::uint32_t bits = bank.listed; bits != 0; bits &= bits - 1) {
    kick(interrupts_[32 * index + static_cast<std::size_t>(std::countr_zero(bits))].holder, actions);
  }
  const bool active = which == BankRegister::kSetActive || which == BankRegister::kClearActive;
  return active ? (bank.active & ~bank.drop_active) | bank.gain_active
                : pending(bank) | (bank.listed_latch & ~bank.drop_pending);
}

void Controller::write_bank(std::size_t index, BankRegister which, std::uint32_t mask, Actions& actions) {
  Bank& bank = banks_[index];
  switch (which) {
    case BankRegister::kGroup: {
      const std::uint32_t changed = (bank.group1 ^ mask) & bank.present;
      bank.group1 ^= changed;
      return reconfigure_all(index, changed, actions);
    }
    case BankRegister::kSetEnable: {
      const std::uint32_t changed = mask & bank.present & ~bank.enabled;
      bank.enabled |= changed;
      return reconfigure_all(index, changed, actions);
    }
    case BankRegister::kClearEnable: {
      const std::uint32_t changed = mask & bank.enabled;
      bank.enabled &= ~changed;
      wait_for_holders(index, changed, index < kMaxCores ? redistributors_wait_ : distributor_waits_);
      return reconfigure_all(index, changed, actions);
    }
    case BankRegister::kSetPending: return set_pending(index, mask & bank.present, actions);
    case BankRegister::kClearPending: return clear_pending(index, mask & bank.present, actions);
    case BankRegister::kSetActive: return set_active(index, mask & bank.present, actions);
    case BankRegister::kClearActive: return clear_active(index, mask & bank.present, actions);
  }
}

// RWP stays 1 until the guest can be sure that none of these is taken any more.
void Controller::wait_for_holders(std::size_t index, std::uint32_t mask, std::uint8_t& waits) const {
  for (std::uint32_t bits = mask & banks_[index].listed; bits != 0; bits &= bits - 1) {
    const std::uint8_t holder = interrupts_[32 * index + static_cast<std::size_t>(std::countr_zero(bits))].holder;
    waits |= static_cast<std::uint8_t>(1U << holder);
  }
}

void Controller::set_pending(std::size_t index, std::uint32_t mask, Actions& actions) {
  Bank& bank = banks_[index];
  for (; mask != 0; mask &= mask - 1) {
    const Place at = place(32 * index + static_cast<std::size_t>(std::countr_zero(mask)));
    if ((bank.physical & at.bit) != 0) {
      // The physical GIC holds it and delivers it in its turn. One that is known to be pending stays so. One in the list
      // register of a core that has not synced may have been acknowledged: once too often is better than lost.
      if ((bank.latch & at.bit) != 0) {
        bank.set_by_guest |= at.bit;
      } else {
        bank.set_in_machine |= at.bit;
        act(ActionKind::kSetPending, at, actions);
      }
    } else {
      bank.latch |= at.bit;
      requeue(at, actions);
    }
  }
}

void Controller::clear_pending(std::size_t index, std::uint32_t mask, Actions& actions) {
  Bank& bank = banks_[index];
  for (; mask != 0; mask &= mask - 1) {
    const Place at = place(32 * index + static_cast<std::size_t>(std::countr_zero(mask)));
    act(ActionKind::kClearPending, at, actions);
    if ((bank.physical & bank.latch & at.bit) != 0) {
      bank.came_again &= ~at.bit;
      // A line that is still high comes again. What a list register still holds as active is ended by its core.
      bank.taken &= ~at.bit;
      act(ActionKind::kDeactivate, at, actions);
    }
    bank.latch &= ~at.bit;
    bank.set_in_machine &= ~at.bit;
    bank.set_by_guest &= ~at.bit;
    bank.drop_pending |= bank.listed & at.bit;
    requeue(at, actions);
  }
}

void Controller::set_active(std::size_t index, std::uint32_t mask, Actions& actions) {
  Bank& bank = banks_[index];
  for (; mask != 0; mask &= mask - 1) {
    const Place at = place(32 * index + static_cast<std::size_t>(std::countr_zero(mask)));
    if ((bank.listed & at.bit) != 0) {
      bank.gain_active |= at.bit;
      bank.drop_active &= ~at.bit;
    } else if ((bank.active & at.bit) == 0) {
      bank.active |= at.bit;
      bank.written |= at.bit;
    }
    requeue(at, actions);
  }
}

void Controller::clear_active(std::size_t index, std::uint32_t mask, Actions& actions) {
  Bank& bank = banks_[index];
  for (; mask != 0; mask &= mask - 1) {
    const Place at = place(32 * index + static_cast<std::size_t>(std::countr_zero(mask)));
    if ((bank.listed & at.bit) != 0) {
      bank.drop_active |= at.bit;
      bank.gain_active &= ~at.bit;
      requeue(at, actions);
    } else if ((bank.active & at.bit) != 0) {
      end_active(at, actions);
    }
  }
}

std::uint64_t Controller::read_priorities(std::size_t index, std::size_t first, unsigned size) const {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < size; ++i) {
    value |= std::uint64_t{interrupts_[32 * index + first + i].priority} << (8 * i);
  }
  return value;
}
void Controller::write_priorities(std::size_t index, std::size_t first, unsigned size, std::uint64_t value,
                                  Actions& actions) {
  for (unsigned i = 0; i < size; ++i) {
    const Place at = place(32 * index + first + i);
    const auto priority = static_cast<std::uint8_t>(value >> (8 * i) & kPriorityBits);
    if ((at.bank.present & at.bit) == 0 || at.interrupt.priority == priority) continue;
    at.interrupt.priority = priority;
    requeue(at, actions);
  }
}

// GICD_ICFGR<n>: two bits for each of 16 interrupts, the upper one says edge.
std::uint32_t Controller::read_edges(std::size_t index, std::size_t half) const {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 16; ++i) value |= (banks_[index].edge >> (16 * half + i) & 1) << (2 * i + 1);
  return value;
}
void Controller::write_edges(std::size_t index, std::size_t half, std::uint32_t value, Actions& actions) {
  for (unsigned i = 0; i < 16; ++i) {
    const Place at = place(32 * index + 16 * half + i);
    Bank& bank = at.bank;
    const bool edge = (value >> (2 * i + 1) & 1) != 0;
    if ((bank.present & at.bit) == 0 || ((bank.edge & at.bit) != 0) == edge) continue;
    bank.edge ^= at.bit;
    act(edge ? ActionKind::kMakeEdge : ActionKind::kMakeLevel, at, actions);
    requeue(at, actions);
  }
}

}  // namespace vgic
