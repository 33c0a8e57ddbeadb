// PSCI 1.1 (Arm DEN 0022): which cores run, and the end of the machine or of an enclave.
//
// A core counts as on from the moment CPU_ON is accepted, so nobody ever sees ON_PENDING; it counts as on until it has
// left its guest after CPU_OFF. MIGRATE, the statistics, SYSTEM_SUSPEND, CPU_FREEZE, NODE_HW_STATE and MEM_PROTECT are
// optional and not served.
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
  kInvalidAddress = -9,
};

constexpr std::uint32_t kCalls[] = {
    cofferdam_abi::kPsciVersion,      cofferdam_abi::kPsciCpuSuspend32,   cofferdam_abi::kPsciCpuSuspend,
    cofferdam_abi::kPsciCpuOff,       cofferdam_abi::kPsciCpuOn32,        cofferdam_abi::kPsciCpuOn,
    cofferdam_abi::kPsciAffinityInfo, cofferdam_abi::kPsciAffinityInfo32, cofferdam_abi::kPsciMigrateInfoType,
    cofferdam_abi::kPsciSystemOff,    cofferdam_abi::kPsciSystemReset,    cofferdam_abi::kPsciSystemReset2With32,
    cofferdam_abi::kPsciSystemReset2, cofferdam_abi::kPsciFeatures};
constexpr std::uint32_t kIs64Bit = 0x4000'0000;  // in a function identifier: DEN 0028 section 2.5

[[nodiscard]] Transition answer(PsciStatus status) { return answer_in_x0(static_cast<std::int32_t>(status)); }

// A parameter that is uint32 in the 64-bit forms, too: the upper half is not part of it.
[[nodiscard]] std::uint32_t narrow(std::uint64_t argument) { return static_cast<std::uint32_t>(argument); }

// The caller's core with this MPIDR: the board's for the parent, but for those that the machine lacks; 0, 1, 2 .. in
// Aff0 for an enclave.
[[nodiscard]] base::Result<CoreId> find_core(const SystemState& state, const Caller& caller, std::uint64_t mpidr) {
  for (std::uint8_t i = 0; i < state.cores.count; ++i) {
    const partition::CoreEntry& entry = state.cores.entries[i];
    if (caller.is_parent()) {
      if (board::kBoard.cores[i].mpidr == mpidr && entry.owner != base::kMonitor) return CoreId{i};
    } else if (entry.owner == caller.partition() && entry.number == mpidr) {
      return CoreId{i};
    }
  }
  return base::Error::kNoSuchCore;
}

// Where a core of the caller's may enter: an instruction in memory that the caller executes from.
[[nodiscard]] bool is_entry(const SystemState& state, const Caller& caller, std::uint64_t ipa) {
  constexpr std::uint64_t kInstruction = 4;
  if (ipa % kInstruction != 0) return false;
  if (!caller.is_parent()) {
    const enclave::Slot& slot = state.slots[caller.slot().value];
    return ipa >= board::kBoard.enclave_ram_base && ipa < enclave::ram_end(slot).value;
  }
  const partition::FrameEntry entry = state.frames.at(base::FrameNumber{ipa >> base::kFrameShift});
  return entry.owner == base::kParent &&
         (entry.state == partition::FrameState::kOwned || entry.state == partition::FrameState::kShared);
}

[[nodiscard]] Transition cpu_on(const SystemState& state, const Caller& caller, const Call& call) {
  const auto core = find_core(state, caller, call.arguments[0]);
  if (!core) return answer(PsciStatus::kInvalidParameters);
  if (!is_entry(state, caller, call.arguments[1])) return answer(PsciStatus::kInvalidAddress);
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
  if (narrow(call.arguments[1]) != 0) return answer(PsciStatus::kInvalidParameters);  // only affinity level 0
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

// The original format of power_state (DEN 0022, CPU_SUSPEND): state identifier, type (1: power-down), level. A standby
// state of the core itself completes at once: the core may always be woken, and a guest that wants to sleep has WFI.
[[nodiscard]] Transition cpu_suspend(const Call& call) {
  constexpr std::uint32_t kStateId = 0xFFFF;  // whatever a guest calls its states
  if ((narrow(call.arguments[0]) & ~kStateId) != 0) return answer(PsciStatus::kInvalidParameters);
  return answer(PsciStatus::kSuccess);
}

[[nodiscard]] Transition system_reset_2(const SystemState& state, const Caller& caller, const Call& call) {
  constexpr std::uint32_t kWarmReset = 0;  // the one architectural type; those with bit 31 set are a vendor's
  if (narrow(call.arguments[0]) != kWarmReset) return answer(PsciStatus::kInvalidParameters);
  return end_machine(state, caller, partition::WorkKind::kPowerReset, ExitReason::kReset);
}

// 0 for CPU_SUSPEND also says: original format of power_state, no OS-initiated mode.
[[nodiscard]] Transition features(const Call& call) {
  const std::uint32_t asked = narrow(call.arguments[0]);
  const bool served = is_power_call(asked) || asked == cofferdam_abi::kSmcccVersion;
  return answer(served ? PsciStatus::kSuccess : PsciStatus::kNotSupported);
}

}  // namespace

bool is_power_call(std::uint32_t function) {
  for (const std::uint32_t known : kCalls) {
    if (function == known) return true;
  }
  return false;
}

Transition plan_power_call(const SystemState& state, const Caller& caller, const Call& call) {
  constexpr std::int64_t kVersion = 1 << 16 | 1;
  constexpr std::int64_t kNothingToMigrate = 2;  // no trusted OS that is bound to a core
  Call given = call;  // the 32-bit forms take the low halves
  if ((call.function & kIs64Bit) == 0) {
    for (std::uint64_t& argument : given.arguments) argument &= 0xFFFF'FFFF;
  }
  switch (call.function) {
    case cofferdam_abi::kPsciVersion: return answer_in_x0(kVersion);
    case cofferdam_abi::kPsciCpuSuspend:
    case cofferdam_abi::kPsciCpuSuspend32: return cpu_suspend(given);
    case cofferdam_abi::kPsciCpuOff: return cpu_off(caller);
    case cofferdam_abi::kPsciCpuOn:
    case cofferdam_abi::kPsciCpuOn32: return cpu_on(state, caller, given);
    case cofferdam_abi::kPsciAffinityInfo:
    case cofferdam_abi::kPsciAffinityInfo32: return affinity_info(state, caller, given);
    case cofferdam_abi::kPsciMigrateInfoType: return answer_in_x0(kNothingToMigrate);
    case cofferdam_abi::kPsciSystemOff:
      return end_machine(state, caller, partition::WorkKind::kPowerOff, ExitReason::kExited);
    case cofferdam_abi::kPsciSystemReset:
      return end_machine(state, caller, partition::WorkKind::kPowerReset, ExitReason::kReset);
    case cofferdam_abi::kPsciSystemReset2:
    case cofferdam_abi::kPsciSystemReset2With32: return system_reset_2(state, caller, given);
    case cofferdam_abi::kPsciFeatures: return features(given);
    default: return answer(PsciStatus::kNotSupported);
  }
}

}  // namespace hypercall
