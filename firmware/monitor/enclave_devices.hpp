// What an enclave finds at the addresses of firmware/enclave/machine_map.hpp: clock, virtio-nsm, virtio-vsock and a serial
// port, whose output is a debug enclave's console and a production enclave's nothing.
#pragma once

#include <optional>

#include "firmware/base/ids.hpp"
#include "firmware/monitor/register_access.hpp"

namespace monitor {

// All of them as after power on. State lock held; before the enclave's first instruction.
void reset_enclave_devices(base::SlotIndex slot);
// A load or store by a core of the enclave; nothing: no device is there.
[[nodiscard]] std::optional<AccessResult> access_enclave_device(base::SlotIndex slot, const RegisterAccess& access);

}  // namespace monitor
