// kDeviceAssign, kDeviceRelease, kDeviceAccept: a device's stream, registers and interrupt move together.
//
// A device whose registers the parent would go on reaching (through a PCIe window) is never assigned: whoever drives a
// device decides what it reads and writes, and it would do so in the enclave's memory.
#include "firmware/hypercall/plan.hpp"
#include "firmware/partition/transitions.hpp"

namespace hypercall {

using base::DeviceIndex;
using base::Error;
using enclave::SlotState;
using partition::Fact;
using partition::FactKind;

namespace {

// Registers of its own, at addresses where an enclave has neither channels nor memory.
[[nodiscard]] bool can_move(const board::Device& device) {
  return device.mmio_size != 0 && device.mmio_base + device.mmio_size <= board::kBoard.channel_ipa_base;
}

[[nodiscard]] base::Result<DeviceIndex> find_device(std::uint64_t stream) {
  for (std::uint8_t i = 0; i < board::kBoard.devices.size(); ++i) {
    const board::Device& device = board::kBoard.devices[i];
    if (device.stream.value == stream && device.owner == board::Owner::kAssignable && can_move(device)) {
      return DeviceIndex{i};
    }
  }
  return Error::kNoSuchDevice;
}

// The owner has the registers, so it can put the device in order before the device reaches its memory.
[[nodiscard]] Transition accept(const SystemState& state, const Caller& caller, const Call& call) {
  if (!board::kBoard.protections.smmu) return refuse(Error::kNoSuchDevice);
  const auto device = find_device(call.arguments[0]);
  if (!device) return refuse(device.error());
  if (state.devices.owner[device->value] != caller.partition()) return refuse(Error::kNotOwned);
  if (state.devices.accepted[device->value]) return refuse(Error::kWrongState);
  Transition transition;
  partition::plan_accept_device(transition, board::kBoard.devices[device->value].stream, caller.partition());
  transition.add(Fact{.kind = FactKind::kDeviceAccepted, .device = *device});
  return transition;
}

}  // namespace

void add_device_move(Transition& transition, const SystemState& state, DeviceIndex device, base::PartitionId from,
                     base::PartitionId to) {
  const board::Device& moved = board::kBoard.devices[device.value];
  const auto registers =
      base::FrameRange::trusted(base::frame_of(base::PhysAddr{moved.mmio_base}),
                                base::FrameCount{moved.mmio_size >> base::kFrameShift});
  const auto now = state.devices.accepted[device.value] ? partition::Stream::kAttached : partition::Stream::kAborts;
  partition::plan_move_device(transition, moved.stream, now, registers, from, to);
  if (moved.interrupt.value != 0) {
    transition.add(base::Effect{.kind = base::EffectKind::kDisableInterrupt, .partition = from, .intid = moved.interrupt});
    transition.add(base::Effect{.kind = base::EffectKind::kRouteInterrupt, .partition = to, .intid = moved.interrupt});
  }
}

Transition plan_device_call(const SystemState& state, const Caller& caller, const Call& call) {
  if (static_cast<Function>(call.function) == Function::kDeviceAccept) return accept(state, caller, call);
  if (!caller.is_parent()) return refuse(Error::kNotSupported);
  const auto slot = find_slot(state, call.arguments[0]);
  if (!slot) return refuse(slot.error());
  const enclave::Slot& target = state.slots[slot->value];
  if (target.state != SlotState::kInit) return refuse(Error::kWrongState);
  if (target.busy) return refuse(Error::kBusy);
  // Without an SMMU nothing would confine the device.
  if (!board::kBoard.protections.smmu) return refuse(Error::kNoSuchDevice);
  const auto device = find_device(call.arguments[1]);
  if (!device) return refuse(device.error());
  const base::PartitionId enclave = base::partition_of(*slot);
  const bool assign = static_cast<Function>(call.function) == Function::kDeviceAssign;
  const base::PartitionId from = assign ? base::kParent : enclave;
  const base::PartitionId to = assign ? enclave : base::kParent;
  if (state.devices.owner[device->value] != from) return refuse(Error::kNotOwned);
  Transition transition;
  add_device_move(transition, state, *device, from, to);
  transition.add(Fact{.kind = assign ? FactKind::kDeviceAssigned : FactKind::kDeviceReturned, .slot = *slot,
                      .device = *device});
  return transition;
}

}  // namespace hypercall
