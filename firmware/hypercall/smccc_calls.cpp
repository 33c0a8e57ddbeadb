// SMC Calling Convention 1.1 (Arm DEN 0028): its version, and which speculation faults of the core need firmware's help.
//
// The monitor has no mitigation of its own to offer, nor is there firmware below it that has one. So a workaround is
// discovered where the core does not need it, and the call does nothing there; on any other core it is not supported,
// and the guest knows that it is on its own. SMCCC_ARCH_SOC_ID is optional and not served.
#include "firmware/hypercall/plan.hpp"

namespace hypercall {

namespace {

constexpr std::int64_t kNotSupported = -1;
constexpr std::int64_t kNotNeededHere = 1;  // DEN 0028 section 7: may be called, the caller's core does not need it

// Precondition: is_convention_call(function).
[[nodiscard]] bool is_immune(std::uint32_t workaround, const Immunity& immunity) {
  if (workaround == cofferdam_abi::kSmcccArchWorkaround1) return immunity.branch_targets;
  if (workaround == cofferdam_abi::kSmcccArchWorkaround2) return immunity.store_bypass;
  return immunity.branch_history;
}

[[nodiscard]] bool is_workaround(std::uint32_t function) {
  return function == cofferdam_abi::kSmcccArchWorkaround1 || function == cofferdam_abi::kSmcccArchWorkaround2 ||
         function == cofferdam_abi::kSmcccArchWorkaround3;
}

[[nodiscard]] std::int64_t features(std::uint32_t function, const Immunity& immunity) {
  if (is_workaround(function)) return is_immune(function, immunity) ? kNotNeededHere : kNotSupported;
  return is_convention_call(function) ? 0 : kNotSupported;
}

}  // namespace

bool is_convention_call(std::uint32_t function) {
  return function == cofferdam_abi::kSmcccVersion || function == cofferdam_abi::kSmcccArchFeatures ||
         is_workaround(function);
}

Transition plan_convention_call(const Call& call, const Moment& moment) {
  constexpr std::int64_t kVersion = 1 << 16 | 1;
  if (call.function == cofferdam_abi::kSmcccVersion) return answer_in_x0(kVersion);
  if (call.function == cofferdam_abi::kSmcccArchFeatures) {
    return answer_in_x0(features(static_cast<std::uint32_t>(call.arguments[0]), moment.immunity));
  }
  return answer_in_x0(is_immune(call.function, moment.immunity) ? 0 : kNotSupported);
}

}  // namespace hypercall
