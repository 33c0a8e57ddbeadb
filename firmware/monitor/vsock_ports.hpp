// The virtio-vsock devices of the parent and of every enclave, and the switch between them (firmware/vsock).
//
// A core that notifies its device moves a bounded number of packets itself; the rest is left for later (later.hpp), for the cores of
// those whose rings make it.
#pragma once

#include <cstdint>
#include <optional>

#include "firmware/base/ids.hpp"
#include "firmware/monitor/register_access.hpp"
#include "firmware/vsock/connection_table.hpp"

namespace monitor {

void scatter_connections(const vsock::ConnectionTable::Secret& secret);  // at boot, before the parent's start; state lock held
void reset_parents_vsock();                    // at boot; state lock held
void attach_vsock(base::SlotIndex slot);       // before the enclave's first instruction; state lock held
void vsock_of_ended(base::SlotIndex slot);     // its connections end, its console stays readable; state lock held
void forget_vsock_of(base::SlotIndex slot);    // the slot is free again; state lock held

// A load or store at `offset` of the partition's own device.
[[nodiscard]] AccessResult access_vsock(base::PartitionId partition, const RegisterAccess& access, std::uint64_t offset);
// What a debug enclave's console puts out. Without a lock.
void console_byte(base::SlotIndex slot, std::uint8_t byte);
// A bounded number of packets. Nothing: no more can be moved now; else a core for the next ones (later.hpp). Without a lock.
[[nodiscard]] std::optional<base::CoreId> move_packets();

}  // namespace monitor
