// The virtio-nsm device of each enclave (virtio device id 33): Linux's nsm driver speaks to it.
//
// Requests are answered on the core that notifies the device. One for each trap: a core of the enclave that has many
// comes back to the monitor by itself in between, where it can be told to stop.
#pragma once

#include "firmware/base/ids.hpp"
#include "firmware/monitor/register_access.hpp"

namespace monitor {

void reset_nsm_device(base::SlotIndex slot);  // state lock held; before the enclave's first instruction
// A load or store at `offset` of the device's registers, by a core of the enclave.
[[nodiscard]] AccessResult access_nsm_device(base::SlotIndex slot, const RegisterAccess& access, std::uint64_t offset);
// A request that could not be answered when it came may be by now. On a core of the enclave, without a lock.
void serve_waiting_nsm_request(base::SlotIndex slot);

}  // namespace monitor
