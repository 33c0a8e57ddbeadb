// The names of things: partitions, cores, slots, streams, interrupts, channels. One type each.
#pragma once

#include <cstdint>

#include "firmware/base/address.hpp"

namespace base {

// Who owns something. 0 is the monitor (nobody else reaches it), 1 the parent, 2.. the enclaves (slot + 2).
// Also the stage-2 VMID and so at most 8 bits (Arm ARM D8.17: 8-bit VMIDs exist everywhere).
struct PartitionId : Distinct<PartitionId, std::uint8_t> {
  using Distinct::Distinct;
};
inline constexpr PartitionId kMonitor{0};
inline constexpr PartitionId kParent{1};

struct SlotIndex : Distinct<SlotIndex, std::uint8_t> {  // position in the table of enclave slots
  using Distinct::Distinct;
};
[[nodiscard]] constexpr PartitionId partition_of(SlotIndex slot) {
  return PartitionId{static_cast<std::uint8_t>(slot.value + 2)};
}
[[nodiscard]] constexpr bool is_enclave(PartitionId partition) { return partition.value >= 2; }
[[nodiscard]] constexpr SlotIndex slot_of(PartitionId partition) {  // precondition: is_enclave(partition)
  return SlotIndex{static_cast<std::uint8_t>(partition.value - 2)};
}

struct SlotUid : Distinct<SlotUid, std::uint64_t> {  // what the parent calls an enclave; unique over a boot
  using Distinct::Distinct;
};
struct CoreId : Distinct<CoreId, std::uint8_t> {  // index into the board's table of cores
  using Distinct::Distinct;
};
struct StreamId : Distinct<StreamId, std::uint32_t> {  // SMMUv3 StreamID
  using Distinct::Distinct;
};
struct Intid : Distinct<Intid, std::uint32_t> {  // GIC INTID
  using Distinct::Distinct;
};
struct DeviceIndex : Distinct<DeviceIndex, std::uint8_t> {  // index into the board's table of devices
  using Distinct::Distinct;
};
struct ChannelIndex : Distinct<ChannelIndex, std::uint8_t> {  // per slot
  using Distinct::Distinct;
};

}  // namespace base
