// The core of the monitor: what a call, a trap or a finished piece of work does to the machine.
//
// Every function here is pure: it reads the state and answers a Transition, or a refusal whose effects and facts are
// empty. The shipped monitor, the model checker and the fuzzers run exactly these. Callers hold the state lock.
// Which refusal comes first is said once, in call_table.hpp.
#pragma once

#include <span>

#include "firmware/hypercall/call.hpp"
#include "firmware/hypercall/state.hpp"
#include "firmware/partition/transition.hpp"

namespace hypercall {

using partition::Transition;

// A refusal: nothing changes but the counter of refused calls.
[[nodiscard]] Transition refuse(base::Error error);

// Any call of the table. An unknown or foreign number is refused with kNotSupported.
[[nodiscard]] Transition plan(const SystemState& state, const Caller& caller, const Call& call, const Moment& moment);

// What kVersion answers, whoever asks and whatever the state.
[[nodiscard]] constexpr partition::Reply version_reply() {
  return {0, {cofferdam_abi::kAbiMajor << 16 | cofferdam_abi::kAbiMinor, 0, 0}};
}

// One file for each group of calls.
[[nodiscard]] Transition plan_slot_call(const SystemState& state, const Caller& caller, const Call& call,
                                        const Moment& moment);
[[nodiscard]] Transition plan_memory_call(const SystemState& state, const Call& call);
[[nodiscard]] Transition plan_core_call(const SystemState& state, const Call& call);
[[nodiscard]] Transition plan_device_call(const SystemState& state, const Caller& caller, const Call& call);
[[nodiscard]] Transition plan_channel_call(const SystemState& state, const Caller& caller, const Call& call);
[[nodiscard]] Transition plan_platform_call(const SystemState& state, const Caller& caller, const Call& call);

// Arm's own services; x0 holds their own numbers. Preconditions: is_power_call(), is_convention_call(),
// is_random_call() of the call's function.
[[nodiscard]] Transition plan_power_call(const SystemState& state, const Caller& caller, const Call& call);
[[nodiscard]] Transition plan_convention_call(const Call& call, const Moment& moment);
[[nodiscard]] Transition plan_random_call(const Call& call);
[[nodiscard]] bool is_power_call(std::uint32_t function);
[[nodiscard]] bool is_convention_call(std::uint32_t function);
[[nodiscard]] bool is_random_call(std::uint32_t function);

// SMCCC's owning entities 0 (Arm architecture) and 4 (standard secure services): Arm DEN 0028 section 6.
[[nodiscard]] constexpr bool is_number_of_arm(std::uint32_t function) {
  return (function & 0x3F00'0000) == 0 || (function & 0x3F00'0000) == 0x0400'0000;
}
[[nodiscard]] inline bool is_arm_call(std::uint32_t function) {
  return is_number_of_arm(function) &&
         (is_power_call(function) || is_convention_call(function) || is_random_call(function));
}
// Whether the answer is x0 alone, so that the caller finds x1..x3 as they were. SMCCC lets a call return in them, but a
// guest that asks a service of Arm's, or one that nobody here serves, may rely on less.
[[nodiscard]] constexpr bool answers_in_x0_alone(std::uint32_t function) {
  constexpr std::uint32_t kOwner = 0x3F00'0000;
  if (function == cofferdam_abi::kTrngGetUuid || function == cofferdam_abi::kTrngRnd32 ||
      function == cofferdam_abi::kTrngRnd) {
    return false;
  }
  return (function & kOwner) != (cofferdam_abi::kFunctionBase & kOwner);
}
// An answer of one of these services in x0, negative ones sign-extended: right for who reads w0 and for who reads x0.
[[nodiscard]] Transition answer_in_x0(std::int64_t value);

// What TRNG_RND answers once there are random bytes, or none.
inline constexpr std::size_t kMostRandomBytes = 24;
[[nodiscard]] partition::Reply random_reply(const Call& call, std::span<const std::uint8_t, kMostRandomBytes> bytes);
[[nodiscard]] partition::Reply no_entropy_reply();
// The effects of moving a device; for kDeviceAssign, kDeviceRelease and kSlotFree.
void add_device_move(Transition& transition, const SystemState& state, base::DeviceIndex device, base::PartitionId from,
                     base::PartitionId to);

// Completions of work that was done outside the lock.
[[nodiscard]] Transition plan_scrubbed(const SystemState& state, base::SlotIndex slot);
enum class LoadOutcome : std::uint8_t { kMore, kReady, kRefusedUntouched, kRefusedTouched };
// `entry` and `device_tree` are IPAs, used with kReady only; `image_error` is EifError's number.
[[nodiscard]] Transition plan_load_step(const SystemState& state, base::SlotIndex slot, LoadOutcome outcome,
                                        base::Ipa entry, base::Ipa device_tree, base::Error error,
                                        std::uint8_t image_error);
// The core has left its guest and holds nothing of it any more.
[[nodiscard]] Transition plan_core_left(const SystemState& state, base::CoreId core);
// A guest touched what it does not have (kStage2) or executed what it must not (kUndefined). An enclave that does so
// kFaultLimit times is stopped.
inline constexpr std::uint32_t kFaultLimit = 64;
[[nodiscard]] Transition plan_fault(const SystemState& state, const Caller& caller, cofferdam_abi::FaultCounter kind);
// The parent's machine is ending: stop this enclave, whatever it is doing.
[[nodiscard]] Transition plan_terminate(const SystemState& state, base::SlotIndex slot);
// Likewise: every core of the parent leaves, so that none of them starts an enclave behind the machine's back.
[[nodiscard]] Transition plan_silence_parent(const SystemState& state);

}  // namespace hypercall
