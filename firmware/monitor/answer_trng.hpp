// Random bits for a guest, from the monitor's own generator.
#pragma once

#include "firmware/hypercall/call.hpp"
#include "firmware/partition/transition.hpp"

namespace monitor {

// Takes the crypto lock for one request of 24 bytes, whatever was asked for: a guest that asks without end holds nobody
// else up longer than that, because the lock serves in order. Callers hold no lock.
[[nodiscard]] partition::Reply answer_trng(const hypercall::Call& call);

}  // namespace monitor
