// Which partition each device stream and its interrupt belong to.
//
// Invariant `dma-confined`: a stream that belongs to a partition reaches that partition's stage 2 and nothing else; one
// that belongs to kMonitor aborts. One that has changed hands aborts until its new owner accepts it: what its old owner
// had it do may still be queued in it, and only the new owner, who has its registers, can reset it.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/ids.hpp"

namespace partition {

inline constexpr std::size_t kMaxDevices = 32;

struct DeviceTable {
  std::array<base::PartitionId, kMaxDevices> owner{};
  std::array<bool, kMaxDevices> accepted{};  // its stream is attached
  std::uint8_t count{};
};

}  // namespace partition
