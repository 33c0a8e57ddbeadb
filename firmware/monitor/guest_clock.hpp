// Each partition's view of the real-time clock: a PL031 of its own, whose setting moves nobody else's.
#pragma once

#include "firmware/base/ids.hpp"
#include "firmware/monitor/register_access.hpp"

namespace monitor {

void reset_clock(base::PartitionId partition);  // state lock held
[[nodiscard]] AccessResult access_clock(base::PartitionId partition, const RegisterAccess& access, std::uint64_t offset);

}  // namespace monitor
