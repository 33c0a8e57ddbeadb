// kCoreDonate, kCoreReclaim.
#include "firmware/hypercall/plan.hpp"

namespace hypercall {

using base::CoreId;
using base::Error;
using enclave::SlotState;
using partition::CoreState;
using partition::Fact;
using partition::FactKind;

namespace {

[[nodiscard]] base::Result<CoreId> find_core(std::uint64_t mpidr) {
  for (std::uint8_t i = 0; i < board::kBoard.cores.size(); ++i) {
    if (board::kBoard.cores[i].mpidr == mpidr) return CoreId{i};
  }
  return Error::kNoSuchCore;
}

}  // namespace

Transition plan_core_call(const SystemState& state, const Call& call) {
  const auto slot = find_slot(state, call.arguments[0]);
  if (!slot) return refuse(slot.error());
  const enclave::Slot& target = state.slots[slot->value];
  if (target.state != SlotState::kInit) return refuse(Error::kWrongState);
  if (target.busy) return refuse(Error::kBusy);
  const auto core = find_core(call.arguments[1]);
  if (!core) return refuse(core.error());
  const partition::CoreEntry& entry = state.cores.at(*core);
  const base::PartitionId enclave = base::partition_of(*slot);
  Transition transition;
  if (static_cast<Function>(call.function) == Function::kCoreDonate) {
    if (board::kBoard.cores[core->value].boot) return refuse(Error::kCoreBusy);
    if (entry.owner != base::kParent) return refuse(Error::kNotOwned);
    if (entry.state != CoreState::kOff) return refuse(Error::kCoreBusy);
    transition.add(Fact{.kind = FactKind::kCoreDonated, .slot = *slot, .core = *core});
    return transition;
  }
  if (entry.owner != enclave) return refuse(Error::kNotOwned);
  // Last in, first out, so that the enclave's cores keep being numbered without a gap.
  if (entry.number + 1 != __builtin_popcountll(state.cores.owned_by(enclave))) return refuse(Error::kCoreBusy);
  transition.add(Fact{.kind = FactKind::kCoreReturned, .slot = *slot, .core = *core});
  return transition;
}

}  // namespace hypercall
