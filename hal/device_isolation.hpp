// What a device can reach: nothing, or the stage 2 of one partition (SMMUv3, Arm IHI 0070).
//
// From the first instruction of the ROM on every stream aborts. Callers hold the state lock.
#pragma once

#include <cstdint>
#include <optional>

#include "firmware/base/ids.hpp"
#include "firmware/base/result.hpp"

namespace hal::device_isolation {

[[nodiscard]] bool present();  // false: this board can't confine devices, so none is ever assigned
// Errors: kDeviceTimeout; the stream aborts then.
[[nodiscard]] base::Status attach(base::StreamId stream, base::PartitionId partition);
// Errors: kDeviceTimeout; the stream is as it was then.
[[nodiscard]] base::Status detach(base::StreamId stream);
// Cached translations of the partition, in the SMMU. Errors: kDeviceTimeout.
[[nodiscard]] base::Status invalidate(base::PartitionId partition);

struct Fault {
  base::StreamId stream{};
  std::uint64_t address{};  // input address of the device's access
  std::uint8_t type{};      // event number, IHI 0070 section 7.3 (0x10 F_TRANSLATION, 0x13 F_PERMISSION ...)
  bool write{};
};
inline constexpr int kMostFaults = 128;         // that wait to be taken, a loss aside
inline constexpr std::uint8_t kFaultsLost = 0;  // no event's number: some came while so many waited
// The oldest fault not yet taken. Bounded work. Losses come before it, as one that says kFaultsLost and nothing else.
[[nodiscard]] std::optional<Fault> take_fault();

}  // namespace hal::device_isolation
