// An enclave's request to its Nitro Secure Module: taken over under the state lock, answered without it.
//
// One request at a time for each enclave (its slot is marked nsm_busy), whichever door it comes through: the call
// kNsmRequest or the virtio-nsm device.
#pragma once

#include "firmware/base/byte_reader.hpp"
#include "firmware/hypercall/call.hpp"
#include "firmware/partition/transition.hpp"

namespace monitor {

// ---- for every door, on one core, in this order ---------------------------------------------------------------------
// Where this core puts the request: 4,096 bytes (NSM_REQUEST_MAX_SIZE). Under the state lock.
[[nodiscard]] base::MutableBytes nsm_request_buffer();
// The request lies in the buffer. Under the state lock; the slot is marked nsm_busy. `size` above the buffer's: it was
// longer, and is answered so.
void take_nsm_request(base::SlotIndex slot, std::size_t size);
// The response, in this core's memory until its next request. Without a lock. Errors: kBufferTooSmall.
[[nodiscard]] base::Result<base::Bytes> answer_nsm_request(base::SlotIndex slot, std::size_t capacity);
// Under the state lock. `delivered`: the enclave has the response, so what it says has happened to the registers has.
void end_nsm_request(base::SlotIndex slot, bool delivered);

// ---- the call kNsmRequest -------------------------------------------------------------------------------------------
// Copies the request, once, into monitor memory. Errors: kNotOwned.
[[nodiscard]] base::Status take_nsm_call(const hypercall::Caller& caller, const hypercall::Call& call);
// Answers it and writes the response.
[[nodiscard]] partition::Reply answer_nsm_call(const hypercall::Caller& caller, const hypercall::Call& call);

// The key that signed the documents of the slot's last occupant, which is gone. Takes the crypto lock.
void forget_leaf(base::SlotIndex slot);

}  // namespace monitor
