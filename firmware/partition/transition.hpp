// What a plan answers: effects for the machine, facts for the state, a reply for the caller, and perhaps work.
//
// The monitor applies the effects in order, then commits the facts, which can't fail, then replies. Work is a bounded
// piece (scrubbing, measuring, signing) that the monitor does after it has dropped the state lock; its completion
// is planned and committed like a call.
#pragma once

#include <cstdint>

#include "firmware/base/effect.hpp"
#include "firmware/base/fixed_list.hpp"
#include "firmware/base/ids.hpp"
#include "firmware/partition/core_table.hpp"
#include "firmware/partition/frame_state.hpp"

namespace partition {

enum class FactKind : std::uint8_t {
  kMemoryDonated,    // slot, frames, ipa: appended to the slot's memory
  kMemoryScrubbing,  // slot, frames: off the end of the slot's memory, reachable by nobody
  kMemoryReturned,   // slot, frames: zero, and the parent's again
  kCoreDonated,      // slot, core
  kCoreReturned,     // slot, core
  kCoreState,        // core, argument = CoreState
  kDeviceAssigned,   // slot, device
  kDeviceReturned,   // slot, device
  kDeviceAccepted,   // device
  kChannelOpened,    // slot, channel, frames
  kChannelClosed,    // slot, channel
  kChannelNotified,  // slot, channel, argument: 0 the parent, 1 the enclave is to see it
  kChannelSeen,      // slot, argument likewise: pending bits cleared
  kSlotAllocated,    // slot, argument = uid
  kSlotLoading,      // slot, argument = image offset, ipa.value = flags, detail = CID
  kSlotLoadFailed,   // slot: back to init; nothing was written to its memory
  kSlotRunning,      // slot
  kSlotStopping,     // slot, argument = exit reason
  kSlotStopped,      // slot
  kSlotFreeing,      // slot: its address space is gone
  kSlotFreed,        // slot
  kSlotBusy,         // slot, argument 1/0: a core works on it outside the lock
  kNsmBusy,          // slot, argument 1/0
  kFaultCounted,     // partition in argument, detail = kind
};

struct Fact {
  FactKind kind;
  base::SlotIndex slot;
  base::CoreId core;
  base::DeviceIndex device;
  base::ChannelIndex channel;
  std::uint32_t detail;
  base::Ipa ipa;
  base::FrameRange frames;
  std::uint64_t argument;
};

enum class WorkKind : std::uint8_t {
  kNone,
  kScrub,    // slot, frames: then plan_scrubbed
  kLoad,     // slot: one step of loading, then plan_load_step
  kNsm,      // slot: answer an NSM request
  kCopyOut,  // the reply's bytes to frames of the caller
  kConsole,  // text from the caller's registers
  kPowerOff, // the parent asked for it
  kPowerReset,
  kRandom,   // random bits for the caller's registers
  kForget,   // slot: its occupant is gone; the keys that were its documents' signer go too
};

struct Work {
  WorkKind kind;
  base::SlotIndex slot;
  base::FrameRange frames;
};

struct Reply {
  std::uint64_t status;  // x0: 0 or -(base::Error), sign extended
  std::uint64_t values[3];
};

[[nodiscard]] constexpr std::uint64_t status_of(base::Error error) {
  return ~std::uint64_t{static_cast<std::uint8_t>(error)} + 1;
}

inline constexpr std::size_t kMaxFacts = 8;

enum class CallerCore : std::uint8_t { kResumes, kLeavesGuest };

struct Transition {
  base::EffectList effects;
  base::FixedList<Fact, kMaxFacts> facts;
  Reply reply{};
  Work work{};
  CallerCore caller_core{CallerCore::kResumes};
  bool overflow{false};  // a plan asked for more than the lists hold; it is refused with kInternal, whole

  constexpr void add(const base::Effect& effect) { overflow |= !effects.push(effect).ok(); }
  constexpr void add(const Fact& fact) { overflow |= !facts.push(fact).ok(); }
};

}  // namespace partition
