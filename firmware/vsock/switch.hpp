// The vsock switch: moves packets between the parent (CID 3) and its enclaves by copying (Virtual I/O Device 1.2,
// section 5.10), and is the monitor's own end (CID 0), where the parent reads the console of a debug enclave.
//
// Pure: it knows rings and guest memory only through firmware/virtio. All calls are made under one lock, none blocks,
// each is bounded; the longest are those that end a port (they look at every entry of the connection table once).
//
// Who may send to whom: an enclave to CID 3; the parent to CID 0 and to attached enclaves whose driver is up. Whatever
// else is well-formed is answered by RST (an RST never is). A packet with a foreign source CID, an unknown operation, a
// payload behind anything but OP_RW, or no whole header is dropped and counted. A packet other than REQUEST passes only
// on a connection that the table holds.
//
// A receiver without buffers stops nobody else:
//   enclave to parent   one packet of each enclave is in the switch at a time, and receive buffers of the parent go round
//   parent to enclave   packets wait aside, in the enclave's share of the parent's ring: ring size / attached enclaves, in
//                       descriptors, and beyond it while at least a quarter of the ring is free. What waits beyond it in a
//                       shorter ring is dropped and its connections reset on both sides, as soon as the enclave's patience
//                       is used up: it earns kEarned of it with each packet that it takes whole and with each buffer that
//                       takes kSmallPayload of one, up to kMaxPatience, and pays for the time without such a buffer. So
//                       one that never takes any leaves a quarter of the ring to others, and all but its share once they
//                       need that, and one that is only slow makes the parent wait, as a full ring does. With one enclave
//                       the share is the ring.
// A driver hears of transmit buffers that came back (Linux only frees them then) with its next received packet, or when they
// are a quarter of its ring, or after kTellWithin: one interrupt in place of two. It finds them in its ring before that.
// A credit update that its receiver can do without for a moment is held back (held_updates.hpp); it mostly becomes needless.
// A REQUEST that is to be refused waits for room among its sender's answers, and its transmit ring waits with it.
//
// What breaks the rules of rings or points outside of its own memory breaks the port: StepReport::broken says so once,
// its connections are reset, and its queues are not touched until it is connected anew.
#pragma once

#include <array>
#include <cstdint>

#include "board_tables.hpp"
#include "firmware/base/fixed_list.hpp"
#include "firmware/base/ids.hpp"
#include "firmware/virtio/queue.hpp"
#include "firmware/vsock/connection_table.hpp"
#include "firmware/vsock/console.hpp"
#include "firmware/vsock/held_updates.hpp"
#include "firmware/vsock/packet.hpp"
#include "firmware/vsock/waiting_packets.hpp"

namespace vsock {

inline constexpr std::uint32_t kFragmentSize = 4096;    // bytes of payload that one step copies at most
inline constexpr std::size_t kMaxAnswers = 32;          // RSTs, not of the connection table, due to one port
inline constexpr std::uint64_t kEarned = 5'000;           // microseconds
inline constexpr std::uint32_t kSmallPayload = 512;     // bytes; a receive buffer for less takes no part in this
inline constexpr std::uint64_t kMaxPatience = 1'000'000;  // microseconds

inline constexpr std::uint64_t kTellWithin = 500;         // microseconds

enum class QueueKind : std::uint8_t { kReceive = 0, kTransmit = 1, kEvent = 2 };  // the numbers are 5.10.2's

// A port's queues and memory while its driver is up. They outlive the connection.
// The event queue (5.10.6.8) is not the switch's: it tells of migration, and nobody migrates.
struct Link {
  virtio::Queue* receive;
  virtio::Queue* transmit;
  virtio::GuestMemory* memory;
  std::uint16_t transmit_size;  // descriptors of the transmit queue
};

// A set of ports, by base::PartitionId: bit 1 is the parent, bit 2 + n slot n.
struct PortSet {
  std::uint64_t bits{};
  void add(base::PartitionId port) { bits |= std::uint64_t{1} << port.value; }
  [[nodiscard]] bool has(base::PartitionId port) const { return (bits >> port.value & 1) != 0; }
  [[nodiscard]] bool empty() const { return bits == 0; }
};
static_assert(board::kMaxEnclaves + 2 <= 64);

struct StepReport {
  bool worked;        // something was done: call again. False: nothing can be done until another call brings news
  bool quiet;         // with `worked`: calling again would not do more
  PortSet interrupt;  // these drivers want an interrupt for what was put into their used rings
  PortSet broken;     // ask these transports for DEVICE_NEEDS_RESET
  bool impatient;     // an enclave holds more than its share, a driver is to hear of buffers, or an update is held back: call
                      // again within a millisecond, though no news comes
  bool searched;         // the list of a port's packets was gone through: a step that is long without copying
  std::uint32_t copied;  // bytes of payload
};

struct Counters {
  std::uint64_t packets;  // from this port, delivered whole, and credit updates that were held back
  std::uint64_t bytes;    // payload from this port, delivered
  std::uint64_t dropped;  // packets from this port that were not
  std::uint64_t resets;   // RSTs that the switch itself sent to this port
};

// All zero at first. `port`: base::kParent or a slot's partition; any other is refused or ignored.
class Switch {
 public:
  // Before the first connection: how connections are scattered over the table's buckets.
  void scatter(const ConnectionTable::Secret& secret) { connections_.scatter(secret); }

  // An enclave begins in a slot; a console that was kept there is forgotten. Errors: kNoSuchSlot, kWrongState
  // (attached), kInvalidArgument (`cid` below 4, 0xFFFFFFFF, or an attached enclave's).
  [[nodiscard]] base::Status attach(base::SlotIndex slot, std::uint32_t cid, bool debug);
  // It has ended: as disconnect(), and its CID is nobody's. Its console can be read until forget().
  void detach(base::SlotIndex slot);
  void forget(base::SlotIndex slot);  // the slot is free

  // The driver has set DRIVER_OK. Errors: kWrongState (connected, or no enclave attached there), kInvalidArgument (a
  // queue is not ready, or transmit_size is zero or above virtio::kMaxQueueSize).
  [[nodiscard]] base::Status connect(base::PartitionId port, const Link& link);
  // Its driver has reset the device: the other ends of its connections get RST. Chains that the switch held are
  // forgotten; the parent gets back what it had sent to an enclave that goes.
  void disconnect(base::PartitionId port);
  // The driver has notified a queue. Each notification must come here, after the driver's write to the ring is visible.
  void kick(base::PartitionId port, QueueKind queue);

  // One piece of work: at most one packet taken in, and one fragment of at most kFragmentSize delivered. `now`:
  // microseconds of a clock that goes on and never back.
  [[nodiscard]] StepReport step(std::uint64_t now);

  // Whose rings make what there is to do: more to take in, or buffers for what waits. Nobody's: what is left is little.
  [[nodiscard]] PortSet makers() const;

  // A byte that the enclave in `slot` wrote to its console; ignored for one without.
  void console_write(base::SlotIndex slot, std::uint8_t byte) { consoles_.write(slot, byte); }

  [[nodiscard]] Counters counters(base::PartitionId port) const;

 private:
  static constexpr std::size_t kSlots = board::kMaxEnclaves;
  static constexpr std::size_t kParentPort = kSlots;  // ports_: the slots, then the parent
  static constexpr std::size_t kPorts = kSlots + 1;
  static_assert(kPorts <= 32);
  using PortBits = std::uint32_t;  // bit n: ports_[n]
  static_assert(kSlots == ConnectionTable::kEnded);  // who has no slot any more is found there
  using Reference = WaitingPackets::Reference;

  struct Answer {  // an RST that is due: from whom to which port of the receiver
    std::uint64_t source_cid;
    std::uint32_t source_port;
    std::uint32_t target_port;
    std::uint16_t type;
  };
  struct Port {
    std::uint32_t cid;  // an enclave's while it is attached
    bool attached;      // of enclaves
    bool connected;
    bool transmit_idle;  // its transmit ring was empty; a kick ends that
    bool transmit_news;  // a kick came after the ring's index was read last
    bool receive_dry;    // it had no receive buffer; a kick ends that
    bool has_buffer;     // `buffer` is one, popped and not used yet
    Link link;
    virtio::Chain buffer;
    PacketList waiting;        // of an enclave: what the parent has sent to it
    PacketList returns;        // what this port has sent and gets back next, some after an answer
    Reference outgoing;        // of an enclave: the one packet that it has sent and that is not delivered; 0: none
    std::uint64_t patience;    // of an enclave, in microseconds
    std::uint16_t untold;      // transmit descriptors that its driver got back and wants to hear of, and has not
    std::uint64_t untold_at;   // since when, as step() found them; 0: it has not looked
    std::uint64_t charged_at;  // until when it is charged for what waits beyond its share; 0: nothing does
    base::FixedList<Answer, kMaxAnswers> answers;
    Counters counters;
  };
  enum class Fate : std::uint8_t { kForward, kDiscard, kRefuse };
  using Entry = std::optional<ConnectionTable::Index>;
  struct Passage {
    Fate fate;
    Entry entry;  // the packet's connection
  };
  enum class Outcome : std::uint8_t { kDone, kDropped, kRefused };  // the last: dropped, and its sender gets an RST

  [[nodiscard]] static std::size_t index_of(base::PartitionId port);  // kPorts: no such port
  [[nodiscard]] static base::PartitionId partition_at(std::size_t port);
  [[nodiscard]] std::size_t slot_with(std::uint64_t cid) const;  // kSlots: no attached enclave's
  [[nodiscard]] static Side side_of(std::size_t port) { return port == kParentPort ? Side::kParent : Side::kEnclave; }
  [[nodiscard]] static Side other(Side side) { return side == Side::kParent ? Side::kEnclave : Side::kParent; }
  [[nodiscard]] static Connection connection_of(const Header& header, std::size_t sender);

  // switch.cpp: ports come and go
  void drop_link(std::size_t port);
  [[nodiscard]] bool look_for_work(StepReport& report);
  [[nodiscard]] bool is_quiet() const;
  void break_port(std::size_t port, StepReport& report);

  // intake.cpp: from a transmit ring to where the packet waits, and back into the ring
  [[nodiscard]] bool take_in(std::size_t port, StepReport& report);
  [[nodiscard]] bool may_take_in(std::size_t port, StepReport& report);
  [[nodiscard]] bool hold_back(std::size_t sender, const Header& header);
  [[nodiscard]] base::Result<Fate> judge(std::size_t sender, WaitingPacket& packet);
  [[nodiscard]] std::uint32_t share_of_ring() const;
  [[nodiscard]] bool ring_is_short() const;
  void wait(std::size_t slot, Reference reference);
  void wait_no_more(std::size_t slot, Reference previous, Reference reference);
  void abandon(std::size_t slot, Reference reference);
  [[nodiscard]] bool trim(std::size_t slot, std::uint64_t now, StepReport& report);
  // Its sender is to know that this packet got nowhere. False: not now, there is no room for the answer.
  [[nodiscard]] bool refuse(std::size_t sender, const Header& header);
  void return_packet(std::size_t sender, Reference reference, Outcome outcome);
  [[nodiscard]] bool give_back(std::size_t port, StepReport& report);
  void tell(std::size_t port, StepReport& report);
  void tell_who_waited(std::uint64_t now, StepReport& report);

  // delivery.cpp: from there to a receive ring. True: something was done.
  [[nodiscard]] bool deliver(std::size_t port, StepReport& report);
  [[nodiscard]] bool deliver_to_parent(StepReport& report);
  [[nodiscard]] bool deliver_console(StepReport& report);
  [[nodiscard]] bool deliver_reset(std::size_t port, StepReport& report);
  [[nodiscard]] Entry update_due(std::size_t port);
  [[nodiscard]] bool deliver_update(std::size_t port, ConnectionTable::Index index, StepReport& report);
  [[nodiscard]] bool forward(std::size_t sender, std::size_t receiver, Reference reference, StepReport& report);
  [[nodiscard]] Passage pass(std::size_t sender, std::size_t slot, const Header& header);
  void enter(std::size_t sender, std::size_t slot, const Header& header, Entry entry);
  [[nodiscard]] bool ensure_buffer(std::size_t port, StepReport& report);
  [[nodiscard]] bool put(std::size_t port, const Header& header, std::size_t payload, StepReport& report);

  std::array<Port, kPorts> ports_{};
  WaitingPackets packets_{};
  ConnectionTable connections_{};
  HeldUpdates updates_{};  // in the lists of the ports that are to get them
  Consoles consoles_{};
  std::array<std::uint8_t, kHeaderSize + kFragmentSize> scratch_{};  // a header and its payload on their way
  std::uint64_t now_{};      // as step() was told
  std::uint64_t looked_at_{};  // when it last looked whose driver waits to be told
  PortBits up_{};            // connected
  PortBits waited_for_{};    // slots with packets in `waiting`
  PortBits outgoing_{};      // slots with a packet in `outgoing`
  std::uint8_t attached_{};  // how many slots are
  std::uint64_t tasks_{};    // two bits for each port of up_: what is for it, what it sends
  std::uint8_t task_{};      // where the next step begins to look
  std::uint8_t turn_{};  // for whom the parent's next buffer is: a slot, or the consoles
};

}  // namespace vsock
