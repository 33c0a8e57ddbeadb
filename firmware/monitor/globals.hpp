// The monitor's own memory: one state, one lock, and what each core needs for itself. All of it zero at reset.
//
// Lock order: g_state_lock and g_crypto_lock are never held together. g_state_lock guards g_state and every stage-2 and
// SMMU operation; g_crypto_lock guards the cryptographic library's arena, the DRBG and the attestation keys.
#pragma once

#include <array>
#include <atomic>

#include "firmware/hypercall/state.hpp"
#include "firmware/monitor/locked.hpp"
#include "firmware/monitor/ticket_lock.hpp"
#include "hal/vcpu.hpp"

namespace monitor {

extern hypercall::SystemState g_state;
extern hypercall::FrameStorage g_frame_storage;
extern TicketLock g_state_lock;
extern TicketLock g_crypto_lock;

// What other cores ask of a core. `guest` is written under the state lock before `start` is set.
struct CoreMailbox {
  hal::GuestEntry guest{};
  std::atomic<bool> start{false};
  std::atomic<bool> stop{false};      // leave the guest at the next chance
  bool in_guest{false};               // this core's own: it is in a guest, or in the monitor because of a trap of one
};
extern std::array<CoreMailbox, board::kMaxCores> g_mailboxes;

}  // namespace monitor
