// kDeviceAssign, kDeviceRelease: a device's stream, registers and interrupt move together.
#include "firmware/hypercall/plan.hpp"
#include "firmware/partition/transitions.hpp"

namespace hypercall {

using base::DeviceIndex;
using base::Error;
using enclave::SlotState;
using partition::Fact;
using partition::FactKind;

namespace {

[[nodiscard]] base::Result<DeviceIndex> find_device(std::uint64_t stream) {
  for (std::uint8_t i = 0; i < board::kBoard.devices.size(); ++i) {
    const board::Device& device = board::kBoard.devices[i];
    if (device.stream.value == stream && device.owner == board::Owner::kAssignable) return DeviceIndex{i};
  }
  return Error::kNoSuchDevice;
}

}  // namespace

Transition plan_device_call(const SystemState& state, const Call& call) {
  const auto slot = find_slot(state, call.arguments[0]);
  if (!slot) return refuse(slot.error());
  const enclave::Slot& target = state.slots[slot->value];
  if (target.state != SlotState::kInit) return refuse(Error::kWrongState);
  if (target.busy) return refuse(Error::kBusy);
  // Without an SMMU nothing would confine the device.
  if (!board::kBoard.protections.smmu) return refuse(Error::kNoSuchDevice);
  const auto device = find_device(call.arguments[1]);
  if (!device) return refuse(device.error());
  const base::StreamId stream = board::kBoard.devices[device->value].stream;
  const base::PartitionId enclave = base::partition_of(*slot);
  const bool assign = static_cast<Function>(call.function) == Function::kDeviceAssign;
  const base::PartitionId from = assign ? base::kParent : enclave;
  const base::PartitionId to = assign ? enclave : base::kParent;
  if (state.devices.owner[device->value] != from) return refuse(Error::kNotOwned);
  Transition transition;
  partition::plan_move_stream(transition, stream, from, to);
  if (const base::Intid interrupt = board::kBoard.devices[device->value].interrupt; interrupt.value != 0) {
    transition.add(base::Effect{.kind = base::EffectKind::kDisableInterrupt, .intid = interrupt});
  }
  transition.add(Fact{.kind = assign ? FactKind::kDeviceAssigned : FactKind::kDeviceReturned, .slot = *slot,
                      .device = *device});
  return transition;
}

}  // namespace hypercall
