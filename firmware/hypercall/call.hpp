// One call as it came: registers, and who made it.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/ids.hpp"
#include "firmware/hypercall/abi.hpp"
#include "firmware/partition/core_table.hpp"

namespace hypercall {

using cofferdam_abi::Function;

// The calling convention gives it to nobody: yielding calls from before there was one (DEN 0028 section 6).
inline constexpr std::uint32_t kFunctionOfNobody = 0;

struct Call {
  std::uint32_t function;
  std::array<std::uint64_t, 6> arguments;  // x1..x6, as the guest left them
};

// Who calls. Made only from the core the trap came from: a handler can't name somebody else. The one exception is the
// parent's command device, to which only the parent's own accesses lead.
class Caller {
 public:
  [[nodiscard]] static constexpr Caller on(const partition::CoreTable& cores, base::CoreId core) {
    return Caller{cores.at(core).owner, core};
  }
  // The command device, on behalf of the parent; `core` is where the monitor works.
  [[nodiscard]] static constexpr Caller parents_device(base::CoreId core) { return Caller{base::kParent, core}; }
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

// What the caller's core needs no firmware's help against. Each is what SMCCC_ARCH_FEATURES is asked about
// SMCCC_ARCH_WORKAROUND_1, 2 and 3 (Arm DEN 0028 section 7).
struct Immunity {
  bool branch_targets{};  // CVE-2017-5715
  bool store_bypass{};    // CVE-2018-3639
  bool branch_history{};  // CVE-2022-23960
};

// Time, randomness and what the core is like are arguments of a plan, never read by it.
struct Moment {
  std::uint64_t unix_milliseconds;
  std::uint16_t random;
  Immunity immunity{};
};

}  // namespace hypercall
