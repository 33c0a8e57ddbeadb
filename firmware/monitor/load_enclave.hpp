// One bounded step from the EIF in an enclave's memory to a running enclave.
#pragma once

#include "firmware/hypercall/plan.hpp"

namespace monitor {

// At the first step, under the state lock.
void begin_loading(base::SlotIndex slot, std::uint64_t image_offset);
// Without the lock; the slot is marked busy. What the parent is told.
[[nodiscard]] partition::Reply load_step(base::SlotIndex slot);
// What the enclave was started from and with: SHA-384(measure::launch_digest || SHA-384(device tree)).
[[nodiscard]] const measure::Digest& launch_digest(base::SlotIndex slot);

}  // namespace monitor
