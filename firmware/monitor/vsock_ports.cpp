#include "firmware/monitor/vsock_ports.hpp"

#include <array>
#include <utility>

#include "board_tables.hpp"
#include "firmware/enclave/machine_map.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/later.hpp"
#include "firmware/monitor/panic.hpp"
#include "firmware/monitor/partition_memory.hpp"
#include "firmware/monitor/virtual_interrupts.hpp"
#include "firmware/virtio/mmio_transport.hpp"
#include "firmware/vsock/switch.hpp"
#include "hal/cpu.hpp"

namespace monitor {

namespace {

using base::PartitionId;
using base::SlotIndex;
using vsock::QueueKind;

constexpr std::uint32_t kVsockDeviceId = 19;  // Virtual I/O Device 1.2, section 5
constexpr std::uint64_t kStreams = 1;         // VIRTIO_VSOCK_F_STREAM
constexpr std::uint16_t kEnclaveQueueSize = 256;
// 64 connections of a Linux parent to one enclave of two: credit for 256 KiB each, in packets of 64 KiB, two descriptors a
// packet, fit its share. So connections within their credit need no patience, however slow the enclave is.
constexpr std::uint16_t kParentQueueSize = 1024;
constexpr std::uint32_t kParentCid = 3;       // NE_PARENT_VM_CID
constexpr std::size_t kPorts = board::kMaxEnclaves + 1;
// How soon to look again at an enclave that is slow to take what it is sent, or at a line without an end; microseconds.
constexpr std::uint64_t kPatience = 1000;
// Steps in one piece; each copies at most 4 KiB and holds the state lock for it.
constexpr int kStepsAtOnce = 32;

template <std::size_t... kIndex>
[[nodiscard]] constexpr std::array<PartitionMemory, kPorts> memories(std::index_sequence<kIndex...>) {
  return {PartitionMemory{PartitionId{kIndex + base::kParent.value}}...};
}

// All guarded by the state lock.
constinit vsock::Switch g_switch{};
constinit std::array<virtio::MmioDevice, kPorts> g_transports{};
constinit std::array<PartitionMemory, kPorts> g_memories = memories(std::make_index_sequence<kPorts>{});
constinit bool g_line_begun{};  // some console has put out bytes since packets were moved last

[[nodiscard]] std::size_t index_of(PartitionId port) { return std::size_t{port.value} - base::kParent.value; }
[[nodiscard]] virtio::MmioDevice& transport_of(PartitionId port) { return g_transports[index_of(port)]; }

void show_line(PartitionId port) {
  const base::Intid intid = port == base::kParent ? board::kBoard.vsock_interrupt : enclave::kVsock.interrupt;
  set_line(port, intid, transport_of(port).interrupt_line());
}

void reset_transport(PartitionId port, std::uint32_t cid) {
  std::array<std::uint8_t, 8> config{};  // struct virtio_vsock_config: guest_cid, little-endian
  for (std::size_t i = 0; i < sizeof cid; ++i) config[i] = static_cast<std::uint8_t>(cid >> (8 * i));
  if (!transport_of(port).reset({.device_id = kVsockDeviceId, .features = kStreams, .queues = 3,
                                 .queue_size = port == base::kParent ? kParentQueueSize : kEnclaveQueueSize,
                                 .config = config}).ok()) {
    panic("the vsock device's description is malformed");
  }
}

void connect(PartitionId port) {
  virtio::MmioDevice& transport = transport_of(port);
  virtio::Queue& transmit = transport.queue(static_cast<std::size_t>(QueueKind::kTransmit));
  const base::Status connected =
      g_switch.connect(port, {.receive = &transport.queue(static_cast<std::size_t>(QueueKind::kReceive)),
                              .transmit = &transmit,
                              .memory = &g_memories[index_of(port)],
                              .transmit_size = transmit.size()});
  if (connected.ok()) return;
  transport.fail();  // a driver that is up without its queues
  show_line(port);
}

void raise_used(vsock::PortSet ports) {
  for (std::uint8_t i = base::kParent.value; i < base::kParent.value + kPorts; ++i) {
    const PartitionId port{i};
    if (!ports.has(port)) continue;
    transport_of(port).raise_used();
    show_line(port);
  }
}

}  // namespace

void reset_parents_vsock() {
  if (board::kBoard.vsock_interrupt.value != 0) reset_transport(base::kParent, kParentCid);
}

void attach_vsock(SlotIndex slot) {
  const auto cid = static_cast<std::uint32_t>(g_state.slots[slot.value].cid);
  const bool debug = g_state.slots[slot.value].mode == enclave::Mode::kDebug;
  reset_transport(base::partition_of(slot), cid);
  if (!g_switch.attach(slot, cid, debug).ok()) panic("an enclave has another one's CID");  // kSlotStart refuses that
}

void vsock_of_ended(SlotIndex slot) {
  g_switch.detach(slot);
  leave_for_later(Later::kVsock);  // its connections' other ends are told
}

void forget_vsock_of(SlotIndex slot) { g_switch.forget(slot); }

AccessResult access_vsock(PartitionId partition, const RegisterAccess& access, std::uint64_t offset) {
  using Kind = virtio::MmioEvent::Kind;
  virtio::MmioEvent event;
  {
    const Locked locked{g_state_lock};
    virtio::MmioDevice& transport = transport_of(partition);
    if (!access.write) {
      const auto value = transport.read(offset, access.size);
      return value ? AccessResult{true, *value} : AccessResult{};
    }
    const auto written = transport.write(offset, access.size, access.value);
    if (!written) return {};
    event = *written;
    switch (event.kind) {
      case Kind::kNone: break;
      case Kind::kNotify: g_switch.kick(partition, static_cast<QueueKind>(event.queue)); break;
      case Kind::kDriverOk: connect(partition); break;
      case Kind::kReset: g_switch.disconnect(partition); break;
    }
    if (event.line_changed) show_line(partition);
  }
  if (event.kind != Kind::kNone && move_packets()) leave_for_later(Later::kVsock);
  return {true, 0};
}

void console_byte(SlotIndex slot, std::uint8_t byte) {
  // Whoever reads it is told line by line; a prompt, which has no end of line, a little later.
  const bool whole = byte == '\n';
  bool begins = false;
  {
    const Locked locked{g_state_lock};
    g_switch.console_write(slot, byte);
    begins = !std::exchange(g_line_begun, true);
  }
  if (whole && move_packets()) leave_for_later(Later::kVsock);
  if (!whole && begins) look_again_at_packets_in(kPatience);
}

bool move_packets() {
  vsock::PortSet interrupts;
  bool worked = true;
  bool impatient = false;
  const std::uint64_t microseconds = hal::ticks() / (hal::ticks_per_second() / 1'000'000);
  for (int i = 0; worked && i < kStepsAtOnce; ++i) {
    const Locked locked{g_state_lock};
    g_line_begun = false;
    const vsock::StepReport report = g_switch.step(microseconds);
    worked = report.worked;
    impatient = report.impatient;
    interrupts.bits |= report.interrupt.bits;
    for (std::uint8_t port = base::kParent.value; !report.broken.empty() && port < base::kParent.value + kPorts; ++port) {
      if (!report.broken.has(PartitionId{port})) continue;
      transport_of(PartitionId{port}).fail();
      show_line(PartitionId{port});
    }
  }
  if (!interrupts.empty()) {
    const Locked locked{g_state_lock};
    raise_used(interrupts);
  }
  if (impatient && !worked) look_again_at_packets_in(kPatience);
  return worked;
}

}  // namespace monitor
