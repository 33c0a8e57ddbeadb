// What the machine has to do after the virtual interrupt controller was used: data, carried out in order.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "firmware/base/fixed_list.hpp"
#include "firmware/vgic/configuration.hpp"

namespace vgic {

enum class ActionKind : std::uint8_t {
  kEnable,        // ISENABLER
  kDisable,       // ICENABLER, then wait for RWP if the caller relies on it
  kRoute,         // to the machine's core that `core` runs on: IROUTER of physical SPIs, where messages for others arrive
  kMakeEdge,      // ICFGR. SPIs only
  kMakeLevel,     // ICFGR. SPIs only
  kSetPending,    // ISPENDR
  kClearPending,  // ICPENDR
  kDeactivate,    // ICACTIVER
};

// The same for up to 32 physical interrupts at once, as the registers of the physical GIC take them: bit n of `mask` is
// INTID 32 * word + n. Word 0 is in the redistributor of `core`; in the other words `core` matters to kRoute only.
struct Action {
  std::uint32_t mask;
  ActionKind kind;
  std::uint8_t word;
  CoreIndex core;
};

// One of these goes to each call into the controller (sync, one access, fill ... of one exit may share one). Only
// Controller puts something in, and only INTIDs that were configured as physical; kRoute may name those of messages too.
class Actions {
 public:
  // One access, or a core that comes or goes, can at most disable, set pending, deactivate, route and enable in every
  // word (a route is written where the guest names it, so there is one target in each word); sync adds a few for each
  // list register.
  static constexpr std::size_t kCapacity = 5 * (kWords + kMaxCores) + 4 * kMaxListRegisters;

  constexpr void kick(CoreIndex core) { kicks_ |= static_cast<std::uint8_t>(1U << core.value); }
  constexpr void forget_kick(CoreIndex core) { kicks_ &= static_cast<std::uint8_t>(~(1U << core.value)); }
  constexpr void add(ActionKind kind, std::size_t word, CoreIndex core, std::uint32_t mask) {
    for (std::size_t i = list_.size(); i-- > 0;) {
      Action& last = list_[i];
      if (last.word != word || (word == 0 && last.core != core)) break;
      if (last.kind == kind && last.core == core) {
        last.mask |= mask;
        return;
      }
      if ((last.mask & mask) != 0) break;  // what is already said about the same interrupt comes first
    }
    if (!list_.push(Action{mask, kind, static_cast<std::uint8_t>(word), core}).ok()) overflow_ = true;
  }

  [[nodiscard]] constexpr std::span<const Action> list() const { return list_.view(); }
  // Bit n: the core that runs virtual core n must leave the guest, sync() and fill(). The bit of the core that makes the
  // call may be set too: it does so anyway on its way back.
  [[nodiscard]] constexpr std::uint8_t kicks() const { return kicks_; }
  [[nodiscard]] constexpr bool empty() const { return kicks_ == 0 && list_.empty(); }
  [[nodiscard]] constexpr bool overflow() const { return overflow_; }  // a defect: something was not said

 private:
  base::FixedList<Action, kCapacity> list_;
  std::uint8_t kicks_{};
  bool overflow_{};
};

}  // namespace vgic
