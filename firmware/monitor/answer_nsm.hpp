// An enclave's request to its Nitro Secure Module: taken over under the state lock, answered without it.
#pragma once

#include "firmware/hypercall/call.hpp"
#include "firmware/partition/transition.hpp"

namespace monitor {

// Copies the request, once, into monitor memory. Errors: kNotOwned.
[[nodiscard]] base::Status take_nsm_request(const hypercall::Caller& caller, const hypercall::Call& call);
// Answers it and writes the response. The slot is marked nsm_busy, so its registers change here only.
[[nodiscard]] partition::Reply answer_nsm_request(const hypercall::Caller& caller, const hypercall::Call& call);

// The key that signed the documents of the slot's last occupant, which is gone. Takes the crypto lock.
void forget_leaf(base::SlotIndex slot);

}  // namespace monitor
