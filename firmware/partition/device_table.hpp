// Which partition each device stream and its interrupt belong to.
//
// Invariant `dma-confined`: a stream that belongs to a partition reaches that partition's stage 2 and nothing else; one
// that belongs to kMonitor aborts.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/ids.hpp"

namespace partition {

inline constexpr std::size_t kMaxDevices = 32;

struct DeviceTable {
  std::array<base::PartitionId, kMaxDevices> owner{};
  std::uint8_t count{};
};

}  // namespace partition
