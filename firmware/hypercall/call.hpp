// One call as it came: registers, and who made it.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/ids.hpp"
#include "firmware/hypercall/abi.hpp"
#include "firmware/partition/core_table.hpp"

namespace hypercall {

using cofferdam_abi::Function;

struct Call {
  std::uint32_t function;
  std::array<std::uint64_t, 6> arguments;  // x1..x6, as the guest left them
};

// Who calls. Made only from the core the trap came from: a handler can't name somebody else.
class Caller {
 public:
  [[nodiscard]] static constexpr Caller on(const partition::CoreTable& cores, base::CoreId core) {
    return Caller{cores.at(core).owner, core};
  }
  [[nodiscard]] constexpr base::PartitionId partition() const { return partition_; }
  [[nodiscard]] constexpr base::CoreId core() const { return core_; }
  [[nodiscard]] constexpr bool is_parent() const { return partition_ == base::kParent; }
  // Precondition: !is_parent().
  [[nodiscard]] constexpr base::SlotIndex slot() const { return base::slot_of(partition_); }

 private:
  constexpr Caller(base::PartitionId partition, base::CoreId core) : partition_(partition), core_(core) {}
  base::PartitionId partition_;
  base::CoreId core_;
};

// Time and randomness are arguments of a plan, never read by it.
struct Moment {
  std::uint64_t unix_milliseconds;
  std::uint16_t random;
};

}  // namespace hypercall
