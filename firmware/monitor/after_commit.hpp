// What follows a commit: the ledger is folded, and who plays devices learns of enclaves that ended.
#pragma once

#include "firmware/monitor/ledger_upkeep.hpp"
#include "firmware/partition/transition.hpp"

namespace monitor {

// Of the transition's facts, those about an enclave's life go to the devices (enclave_devices.hpp, command_device.hpp).
void tell_devices(const partition::Transition& transition);

[[nodiscard]] inline bool is_about_life(partition::FactKind kind) {
  return kind == partition::FactKind::kSlotStopped || kind == partition::FactKind::kSlotFreed;
}

// Callers hold the state lock, outside any hal::FloatingPointScope. Bounded work.
inline void after_commit(const partition::Transition& transition) {
  keep_ledger_folded();
  // The last fact says it in every plan that ends an enclave.
  if (!transition.facts.empty() && is_about_life(transition.facts.back().kind)) [[unlikely]] tell_devices(transition);
}

}  // namespace monitor
