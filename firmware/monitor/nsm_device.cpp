#include "firmware/monitor/nsm_device.hpp"

#include <array>
#include <atomic>
#include <limits>

#include "firmware/enclave/machine_map.hpp"
#include "firmware/hypercall/state.hpp"
#include "firmware/monitor/answer_nsm.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/panic.hpp"
#include "firmware/monitor/partition_memory.hpp"
#include "firmware/monitor/virtual_interrupts.hpp"
#include "firmware/virtio/mmio_transport.hpp"
#include "firmware/virtio/nsm_queue.hpp"
#include "hal/cpu.hpp"
#include "hal/interrupts.hpp"

namespace monitor {

namespace {

using base::SlotIndex;

// Guarded by the state lock, but for `waiting`.
struct NsmDevice {
  virtio::MmioDevice transport;
  virtio::NsmQueue queue;
  std::atomic<bool> waiting;  // a request lies in the queue while another one is being answered
};
constinit std::array<NsmDevice, board::kMaxEnclaves> g_devices{};

void show_line(SlotIndex slot, const NsmDevice& device) {
  set_line(base::partition_of(slot), enclave::kNsm.interrupt, device.transport.interrupt_line());
}

// State lock held. A request that was taken over marks the slot as busy.
[[nodiscard]] virtio::NsmTaken take(SlotIndex slot_index, NsmDevice& device) {
  enclave::Slot& slot = g_state.slots[slot_index.value];
  if (!device.transport.live() || slot.state != enclave::SlotState::kRunning) return {};
  if (slot.nsm_busy) {
    device.waiting.store(true, std::memory_order_relaxed);
    return {};
  }
  PartitionMemory memory{base::partition_of(slot_index)};
  const MemoryVisit visit;
  const auto taken = device.queue.take(device.transport.queue(0), memory, nsm_request_buffer());
  if (!taken) {
    device.transport.fail();
    show_line(slot_index, device);
    return {};
  }
  if (taken->kind == virtio::NsmTaken::Kind::kRequest || taken->kind == virtio::NsmTaken::Kind::kTooLong) {
    partition::Transition busy;
    busy.add(partition::Fact{.kind = partition::FactKind::kNsmBusy, .slot = slot_index, .argument = 1});
    hypercall::commit(g_state, busy);
    const bool whole = taken->kind == virtio::NsmTaken::Kind::kRequest;
    take_nsm_request(slot_index, whole ? taken->bytes : std::numeric_limits<std::size_t>::max());
  }
  return *taken;
}

// State lock held.
void give(SlotIndex slot, NsmDevice& device, std::uint32_t ticket, const base::Result<base::Bytes>& response) {
  PartitionMemory memory{base::partition_of(slot)};
  const MemoryVisit visit;
  // Where not even an error fits the driver is told of no bytes, and nothing has happened.
  const auto finished = device.queue.finish(device.transport.queue(0), memory, ticket, response ? *response : base::Bytes{});
  if (!finished) device.transport.fail();  // the ring broke meanwhile
  if (finished && *finished) device.transport.raise_used();
  end_nsm_request(slot, finished.ok() && response.ok());
  show_line(slot, device);
}

void serve(SlotIndex slot) {
  NsmDevice& device = g_devices[slot.value];
  virtio::NsmTaken taken;
  {
    const Locked locked{g_state_lock};
    taken = take(slot, device);
  }
  if (taken.kind != virtio::NsmTaken::Kind::kRequest && taken.kind != virtio::NsmTaken::Kind::kTooLong) return;
  const base::Result<base::Bytes> response = answer_nsm_request(slot, taken.capacity);
  const Locked locked{g_state_lock};
  give(slot, device, taken.ticket, response);
  PartitionMemory memory{base::partition_of(slot)};
  const MemoryVisit visit;
  const auto more = device.transport.live() ? device.transport.queue(0).available(memory) : base::Result<std::uint16_t>{0};
  if (device.waiting.load(std::memory_order_relaxed) || (more && *more != 0)) {
    device.waiting.store(true, std::memory_order_relaxed);
    hal::interrupts::kick(hal::current_core());
  }
}

}  // namespace

void reset_nsm_device(SlotIndex slot) {
  NsmDevice& device = g_devices[slot.value];
  const bool fits = device.transport.reset({.device_id = virtio::kNsmDeviceId, .features = 0, .queues = 1,
                                            .queue_size = virtio::kNsmQueueSize, .config = {}}).ok();
  if (!fits) panic("the NSM device's description is malformed");
  device.queue = {};
  device.waiting.store(false, std::memory_order_relaxed);
}

AccessResult access_nsm_device(SlotIndex slot, const RegisterAccess& access, std::uint64_t offset) {
  using Kind = virtio::MmioEvent::Kind;
  NsmDevice& device = g_devices[slot.value];
  virtio::MmioEvent event;
  {
    const Locked locked{g_state_lock};
    if (!access.write) {
      const auto value = device.transport.read(offset, access.size);
      return value ? AccessResult{true, *value} : AccessResult{};
    }
    const auto written = device.transport.write(offset, access.size, access.value);
    if (!written) return {};
    event = *written;
    if (event.line_changed) show_line(slot, device);
  }
  if (event.kind == Kind::kNotify || event.kind == Kind::kDriverOk) serve(slot);
  return {true, 0};
}

void serve_waiting_nsm_request(SlotIndex slot) {
  if (g_devices[slot.value].waiting.exchange(false, std::memory_order_relaxed)) serve(slot);
}

}  // namespace monitor
