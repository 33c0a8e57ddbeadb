#include "firmware/monitor/vsock_ports.hpp"

#include <array>
#include <bit>
#include <optional>
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
// Steps in one piece; each copies at most 4 KiB. Where they copy little, a hold of the state lock has several.
constexpr int kStepsAtOnce = 32;
constexpr int kStepsInOneHold = 4;
constexpr std::uint32_t kCopiedInOneHold = 1024;  // bytes; after so many, or a search, no step is begun

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

[[nodiscard]] base::Intid interrupt_of(PartitionId port) {
  return port == base::kParent ? board::kBoard.vsock_interrupt : enclave::kVsock.interrupt;
}

void show_line(PartitionId port) { set_line(port, interrupt_of(port), transport_of(port).interrupt_line()); }

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
  for (; ports.bits != 0; ports.bits &= ports.bits - 1) {
    const PartitionId port{static_cast<std::uint8_t>(std::countr_zero(ports.bits))};
    const bool line = transport_of(port).interrupt_line();
    transport_of(port).raise_used();
    if (transport_of(port).interrupt_line() != line) show_line(port);
  }
}

// Who moves what one piece did not. Whoever has a part in it does so itself, at no other's pace; else it is a core of the next one
// who has, for this core has done its piece. State lock held.
[[nodiscard]] base::CoreId core_of_next_maker() {
  const base::CoreId here = hal::current_core();
  const PartitionId own = g_state.cores.at(here).owner;
  const vsock::PortSet makers = g_switch.makers();
  if (makers.empty() || makers.has(own)) return here;
  const std::uint64_t behind_own = makers.bits & (~std::uint64_t{1} << own.value);
  const PartitionId next{static_cast<std::uint8_t>(std::countr_zero(behind_own != 0 ? behind_own : makers.bits))};
  const partition::CoreMask cores = g_state.cores.active(next);
  return cores == 0 ? here : base::CoreId{static_cast<std::uint8_t>(std::countr_zero(cores))};
}

// One piece of moving packets, in several holds of the state lock.
class Moving {
 public:
  [[nodiscard]] bool goes_on() const { return more() && steps_ < kStepsAtOnce; }
  // A core for the rest, which there is after a piece that moved as much as one may.
  [[nodiscard]] std::optional<base::CoreId> carrier() const { return carrier_; }

  // State lock held. Steps that copy little share a hold.
  void go_on() {
    const MemoryVisit visit;
    g_line_begun = false;
    std::uint32_t copied = 0;
    bool searched = false;
    for (int i = 0; i < kStepsInOneHold && goes_on() && copied < kCopiedInOneHold && !searched; ++i, ++steps_) {
      report_ = g_switch.step(now_);
      searched = report_.searched;
      copied += report_.copied;
      interrupts_.bits |= report_.interrupt.bits;
      for (vsock::PortSet broken = report_.broken; broken.bits != 0; broken.bits &= broken.bits - 1) {
        const PartitionId port{static_cast<std::uint8_t>(std::countr_zero(broken.bits))};
        transport_of(port).fail();
        show_line(port);
      }
    }
    if (goes_on()) return;
    raise_used(interrupts_);
    if (more()) {
      carrier_ = core_of_next_maker();
    } else if (report_.impatient) {
      look_again_in(kPatience, Later::kVsock);
    }
  }

 private:
  [[nodiscard]] bool more() const { return report_.worked && !report_.quiet; }

  const std::uint64_t now_ = hal::ticks() / (hal::ticks_per_second() / 1'000'000);
  vsock::StepReport report_{.worked = true};
  vsock::PortSet interrupts_{};
  int steps_{};
  std::optional<base::CoreId> carrier_;
};

[[nodiscard]] std::optional<base::CoreId> move_rest(Moving& moving) {
  while (moving.goes_on()) {
    const Locked locked{g_state_lock};
    moving.go_on();
  }
  return moving.carrier();
}

}  // namespace

void scatter_connections(const vsock::ConnectionTable::Secret& secret) { g_switch.scatter(secret); }

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
  leave_for_later(Later::kVsock, hal::current_core());  // its connections' other ends are told
}

void forget_vsock_of(SlotIndex slot) { g_switch.forget(slot); }

AccessResult access_vsock(PartitionId partition, const RegisterAccess& access, std::uint64_t offset) {
  using Kind = virtio::MmioEvent::Kind;
  std::optional<Moving> moving;
  {
    const Locked locked{g_state_lock};
    virtio::MmioDevice& transport = transport_of(partition);
    if (!access.write) {
      const auto value = transport.read(offset, access.size);
      return value ? AccessResult{true, *value} : AccessResult{};
    }
    const auto written = transport.write(offset, access.size, access.value);
    if (!written) return {};
    switch (const virtio::MmioEvent& event = *written; event.kind) {
      case Kind::kNone: break;
      case Kind::kNotify: g_switch.kick(partition, static_cast<QueueKind>(event.queue)); break;
      case Kind::kDriverOk: connect(partition); break;
      case Kind::kReset: g_switch.disconnect(partition); break;
    }
    if (written->line_stays) set_line(partition, interrupt_of(partition), false);
    if (written->line_changed || written->line_stays) show_line(partition);
    if (written->kind == Kind::kNone) return {true, 0};
    moving.emplace();
    moving->go_on();
  }
  if (const auto carrier = move_rest(*moving)) leave_for_later(Later::kVsock, *carrier);
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
  if (whole) {
    if (const auto carrier = move_packets()) leave_for_later(Later::kVsock, *carrier);
  } else if (begins) {
    look_again_in(kPatience, Later::kVsock);
  }
}

std::optional<base::CoreId> move_packets() {
  Moving moving;
  return move_rest(moving);
}

}  // namespace monitor
