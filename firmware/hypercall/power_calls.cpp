// PSCI 1.1 (Arm DEN 0022) and SMCCC_VERSION (Arm DEN 0028), served to the parent and to enclaves.
#include "firmware/hypercall/plan.hpp"

namespace hypercall {

using base::CoreId;
using base::Effect;
using base::EffectKind;
using enclave::ExitReason;
using enclave::SlotState;
using partition::CoreState;
using partition::Fact;
using partition::FactKind;

namespace {

// PSCI's own error numbers, DEN 0022 section 5.2.2, as they stand in x0.
enum class PsciStatus : std::int32_t {
  kSuccess = 0,
  kNotSupported = -1,
  kInvalidParameters = -2,
  kDenied = -3,
  kAlreadyOn = -4,
};

constexpr std::uint32_t kCalls[] = {cofferdam_abi::kPsciVersion,        cofferdam_abi::kPsciCpuOff,
                                    cofferdam_abi::kPsciCpuOn,          cofferdam_abi::kPsciCpuOn32,
                                    cofferdam_abi::kPsciAffinityInfo,   cofferdam_abi::kPsciAffinityInfo32,
                                    cofferdam_abi::kPsciSystemOff,      cofferdam_abi::kPsciSystemReset,
                                    cofferdam_abi::kPsciFeatures,       cofferdam_abi::kSmcccVersion};
constexpr std::uint32_t kIs64Bit = 0x4000'0000;  // in a function identifier: DEN 0028 section 2.5

[[nodiscard]] Transition answer(PsciStatus status) {
  Transition transition;
  transition.reply.status = static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(status)});
  return transition;
}

// The caller's core with this MPIDR: the board's for the parent, 0, 1, 2 .. in Aff0 for an enclave.
[[nodiscard]] base::Result<CoreId> find_core(const SystemState& state, const Caller& caller, std::uint64_t mpidr) {
  for (std::uint8_t i = 0; i < state.cores.count; ++i) {
    const partition::CoreEntry& entry = state.cores.entries[i];
    if (caller.is_parent()) {
      if (board::kBoard.cores[i].mpidr == mpidr) return CoreId{i};
    } else if (entry.owner == caller.partition() && entry.number == mpidr) {
      return CoreId{i};
    }
  }
  return base::Error::kNoSuchCore;
}

[[nodiscard]] Transition cpu_on(const SystemState& state, const Caller& caller, const Call& call) {
  const auto core = find_core(state, caller, call.arguments[0]);
  if (!core) return answer(PsciStatus::kInvalidParameters);
  const partition::CoreEntry& entry = state.cores.at(*core);
  if (entry.owner != caller.partition()) return answer(PsciStatus::kDenied);  // donated
  if (entry.state != CoreState::kOff) return answer(PsciStatus::kAlreadyOn);
  if (!caller.is_parent() && state.slots[caller.slot().value].state != SlotState::kRunning) {
    return answer(PsciStatus::kDenied);
  }
  Transition transition;
  transition.add(Effect{.kind = EffectKind::kStartCore, .partition = caller.partition(), .core = *core,
                        .ipa = base::Ipa{call.arguments[1]}, .argument = call.arguments[2]});
  transition.add(Fact{.kind = FactKind::kCoreState, .core = *core,
                      .argument = static_cast<std::uint64_t>(CoreState::kRunning)});
  return transition;
}

[[nodiscard]] Transition cpu_off(const Caller& caller) {
  Transition transition;
  transition.add(Fact{.kind = FactKind::kCoreState, .core = caller.core(),
                      .argument = static_cast<std::uint64_t>(CoreState::kStopping)});
  transition.caller_core = partition::CallerCore::kLeavesGuest;
  return transition;
}

[[nodiscard]] Transition affinity_info(const SystemState& state, const Caller& caller, const Call& call) {
  if (call.arguments[1] != 0) return answer(PsciStatus::kInvalidParameters);  // only affinity level 0
  const auto core = find_core(state, caller, call.arguments[0]);
  if (!core) return answer(PsciStatus::kInvalidParameters);
  Transition transition;
  const partition::CoreEntry& entry = state.cores.at(*core);
  const bool off = entry.owner != caller.partition() || entry.state == CoreState::kOff;
  transition.reply.status = off ? 1 : 0;  // 0 ON, 1 OFF
  return transition;
}

[[nodiscard]] Transition end_machine(const SystemState& state, const Caller& caller, partition::WorkKind work,
                                     ExitReason reason) {
  Transition transition;
  transition.caller_core = partition::CallerCore::kLeavesGuest;
  if (caller.is_parent()) {
    transition.work.kind = work;
    return transition;
  }
  const base::SlotIndex slot = caller.slot();
  if (state.slots[slot.value].state != SlotState::kRunning) return transition;
  const std::uint64_t exit = std::uint64_t{static_cast<std::uint8_t>(reason)} << 8;
  transition.add(Effect{.kind = EffectKind::kStopCores, .argument = state.cores.active(caller.partition())});
  transition.add(Fact{.kind = FactKind::kSlotStopping, .slot = slot, .argument = exit});
  return transition;
}

[[nodiscard]] Transition features(const Call& call) {
  for (const std::uint32_t function : kCalls) {
    if (call.arguments[0] == function) return answer(PsciStatus::kSuccess);
  }
  return answer(PsciStatus::kNotSupported);
}

[[nodiscard]] Transition number(std::uint64_t value) {
  Transition transition;
  transition.reply.status = value;
  return transition;
}

}  // namespace

bool is_power_call(std::uint32_t function) {
  constexpr std::uint32_t kOwner = 0x3F00'0000;  // SMCCC owning entity: 0 Arm architecture, 4 standard secure
  if ((function & kOwner) != 0 && (function & kOwner) != 0x0400'0000) return false;
  for (const std::uint32_t known : kCalls) {
    if (function == known) return true;
  }
  return false;
}

Transition plan_power_call(const SystemState& state, const Caller& caller, const Call& call) {
  Call narrow = call;  // the 32-bit forms take the low halves
  if ((call.function & kIs64Bit) == 0) {
    for (std::uint64_t& argument : narrow.arguments) argument &= 0xFFFF'FFFF;
  }
  switch (call.function) {
    case cofferdam_abi::kPsciVersion:
    case cofferdam_abi::kSmcccVersion: return number(1U << 16 | 1U);  // PSCI 1.1; SMCCC 1.1
    case cofferdam_abi::kPsciCpuOff: return cpu_off(caller);
    case cofferdam_abi::kPsciCpuOn:
    case cofferdam_abi::kPsciCpuOn32: return cpu_on(state, caller, narrow);
    case cofferdam_abi::kPsciAffinityInfo:
    case cofferdam_abi::kPsciAffinityInfo32: return affinity_info(state, caller, narrow);
    case cofferdam_abi::kPsciSystemOff:
      return end_machine(state, caller, partition::WorkKind::kPowerOff, ExitReason::kExited);
    case cofferdam_abi::kPsciSystemReset:
      return end_machine(state, caller, partition::WorkKind::kPowerReset, ExitReason::kReset);
    case cofferdam_abi::kPsciFeatures: return features(narrow);
    default: return answer(PsciStatus::kNotSupported);
  }
}

}  // namespace hypercall
