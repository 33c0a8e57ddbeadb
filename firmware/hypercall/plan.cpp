#include "firmware/hypercall/plan.hpp"

namespace hypercall {

using base::Error;

Transition refuse(Error error) {
  Transition transition;
  transition.reply.status = partition::status_of(error);
  return transition;
}

Transition answer_in_x0(std::int64_t value) {
  Transition transition;
  transition.reply.status = static_cast<std::uint64_t>(value);
  return transition;
}

namespace {

[[nodiscard]] Transition version() {
  Transition transition;
  transition.reply = version_reply();
  return transition;
}

[[nodiscard, gnu::noinline]] Transition plan_unpublished(const SystemState& state, const Caller& caller,
                                                        const Call& call, const Moment& moment) {
  if (is_power_call(call.function)) return plan_power_call(state, caller, call);
  if (is_convention_call(call.function)) return plan_convention_call(call, moment);
  if (is_random_call(call.function)) return plan_random_call(call);
  return refuse(Error::kNotSupported);
}

// A number from outside may be none of the enumerators; then no case is taken.
[[nodiscard]] Transition plan_any(const SystemState& state, const Caller& caller, const Call& call,
                                  const Moment& moment) {
  switch (static_cast<Function>(call.function)) {
    case Function::kVersion: return version();
    case Function::kConsoleWrite:
    case Function::kPartitionInfo:
    case Function::kEventLogRead:
    case Function::kLedgerRead:
    case Function::kPlatformPcrRead:
    case Function::kFaultCounters:
    case Function::kStatusRead: return plan_platform_call(state, caller, call);
    case Function::kSlotAllocate:
    case Function::kSlotFree:
    case Function::kSlotStart:
    case Function::kSlotStop:
    case Function::kSlotInfo:
    case Function::kSlotCount:
    case Function::kSlotNext:
    case Function::kEnclaveExit:
    case Function::kNsmRequest: return plan_slot_call(state, caller, call, moment);
    case Function::kMemoryDonate:
    case Function::kMemoryReclaim: return caller.is_parent() ? plan_memory_call(state, call) : refuse(Error::kNotSupported);
    case Function::kCoreDonate:
    case Function::kCoreReclaim: return caller.is_parent() ? plan_core_call(state, call) : refuse(Error::kNotSupported);
    case Function::kDeviceAssign:
    case Function::kDeviceRelease:
    case Function::kDeviceAccept: return plan_device_call(state, caller, call);
    case Function::kChannelOpen:
    case Function::kChannelClose:
    case Function::kChannelNotify:
    case Function::kChannelInfo:
    case Function::kChannelPending: return plan_channel_call(state, caller, call);
  }
  return plan_unpublished(state, caller, call, moment);
}

[[gnu::noinline, gnu::cold]] void refuse_overflow(Transition& transition) {
  transition.effects.clear();
  transition.facts.clear();
  transition.work = {};
  transition.reply = {partition::status_of(Error::kInternal), {}};
}

}  // namespace

Transition plan(const SystemState& state, const Caller& caller, const Call& call, const Moment& moment) {
  Transition transition = plan_any(state, caller, call, moment);
  if (transition.overflow) [[unlikely]] refuse_overflow(transition);  // a plan that outgrew its lists is no plan
  return transition;
}

}  // namespace hypercall
