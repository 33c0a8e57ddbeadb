// From a transmit ring to the place where a packet waits for its receiver, and back into the ring.
#include <algorithm>
#include <bit>

#include "firmware/vsock/switch.hpp"

namespace vsock {

bool Switch::take_in(std::size_t index, StepReport& report) {
  Port& port = ports_[index];
  if (!port.connected) return false;
  if (!port.returns.empty()) return give_back(index, report);
  if (port.transmit_idle || !may_take_in(index, report)) return false;
  // A driver has no more chains with the device than its ring has entries, so the parent's pool can't run dry.
  const Reference reference = index == kParentPort ? packets_.take() : WaitingPackets::of_enclave(index);
  if (reference == 0) return false;
  WaitingPacket& packet = packets_.at(reference);
  if (port.link.transmit->all_popped()) port.transmit_news = false;
  const auto popped = port.link.transmit->pop_into(*port.link.memory, packet.chain);
  if (!popped.ok() || !*popped) {
    packets_.give_back(reference);
    port.transmit_idle = true;
    if (!popped.ok()) break_port(index, report);
    return false;
  }
  // A driver notifies for what it adds: NO_NOTIFY is never set in its used ring.
  if (port.link.transmit->all_popped() && !port.transmit_news) port.transmit_idle = true;
  packet.sent = 0;
  packet.refused = false;
  packet.next = 0;
  const auto fate = judge(index, packet);
  if (!fate.ok()) {
    packets_.give_back(reference);
    break_port(index, report);
    return true;
  }
  switch (*fate) {
    case Fate::kForward:
      if (hold_back(index, packet.header)) {
        ++port.counters.packets;
        return_packet(index, reference, Outcome::kDone);
        break;
      }
      // With nobody before it, it goes on at once. Else what waits longest does, or it waits.
      if (index == kParentPort) {
        const std::size_t slot = slot_with(packet.header.target_cid);
        wait(slot, reference);
        static_cast<void>(deliver(slot, report));
      } else {
        port.outgoing = reference;
        outgoing_ |= PortBits{1} << index;
        static_cast<void>(deliver(kParentPort, report));
      }
      return true;
    case Fate::kDiscard:
      return_packet(index, reference, Outcome::kDone);
      break;
    case Fate::kRefuse:
      return_packet(index, reference, Outcome::kRefused);
      break;
  }
  if (!port.returns.empty()) static_cast<void>(give_back(index, report));  // or with a later step
  return true;
}

// The parent's next packet may be for anyone: first goes what can be delivered, so that no more wait aside than must.
bool Switch::may_take_in(std::size_t index, StepReport& report) {
  if (index != kParentPort) return ports_[index].outgoing == 0;
  for (PortBits slots = waited_for_; slots != 0; slots &= slots - 1) {
    if (ensure_buffer(static_cast<std::size_t>(std::countr_zero(slots)), report)) return false;
  }
  return ports_[index].connected && ports_[index].returns.empty();  // an enclave's port may have broken just now
}

// What the packet says of its connection's credit. True: it is an update that need not go on now.
bool Switch::hold_back(std::size_t sender, const Header& header) {
  const std::size_t slot = sender == kParentPort ? slot_with(header.target_cid) : sender;
  const Entry entry = connections_.find(static_cast<ConnectionTable::Owner>(slot), connection_of(header, sender));
  if (!entry || !connections_.is_open(*entry)) return false;
  const Side side = side_of(sender);
  if (header.is(Op::kData)) updates_.sent(*entry, side, header.size);
  if (header.is(Op::kCreditRequest)) updates_.asked(*entry, side);
  const std::size_t receiver = sender == kParentPort ? slot : kParentPort;
  // Not before what its sender sent earlier and still waits: the receiver believes the header that comes last.
  const bool may_hold = header.is(Op::kCreditUpdate) && (sender != kParentPort || ports_[slot].waiting.empty());
  if (may_hold && updates_.hold(*entry, other(side), receiver, {header.buffer_size, header.forwarded}, now_)) return true;
  updates_.drop(*entry, other(side));
  return false;
}

base::Result<Switch::Fate> Switch::judge(std::size_t sender, WaitingPacket& packet) {
  Port& port = ports_[sender];
  const std::uint32_t readable = packet.chain.readable_bytes();
  if (readable < kHeaderSize) {
    ++port.counters.dropped;
    return Fate::kDiscard;
  }
  MON_TRY(virtio::read_chain(*port.link.memory, packet.chain, 0, wire_bytes(packet.header)));
  const Header& header = packet.header;
  const std::uint32_t own_cid = sender == kParentPort ? kParentCid : port.cid;
  if (header.source_cid != own_cid || !header.known() || (header.size != 0 && !header.is(Op::kData))) {
    ++port.counters.dropped;
    return Fate::kDiscard;
  }
  if (header.size > kMaxPayload || header.size > readable - kHeaderSize) return Fate::kRefuse;
  if (header.type != kTypeStream) return Fate::kRefuse;
  if (sender != kParentPort) {
    return header.target_cid == kParentCid && ports_[kParentPort].connected ? Fate::kForward : Fate::kRefuse;
  }
  if (header.target_cid == kMonitorCid) {
    if (!consoles_.receive(header)) return Fate::kRefuse;
    ++port.counters.packets;
    port.counters.bytes += header.size;
    return Fate::kDiscard;
  }
  const std::size_t slot = slot_with(header.target_cid);
  return slot != kSlots && ports_[slot].connected ? Fate::kForward : Fate::kRefuse;
}

std::uint32_t Switch::share_of_ring() const {
  const std::uint32_t size = ports_[kParentPort].link.transmit_size;
  return std::max<std::uint32_t>(1, size / std::max<std::uint32_t>(1, attached_));
}

bool Switch::ring_is_short() const {
  std::uint32_t held = 0;
  for (PortBits slots = waited_for_; slots != 0; slots &= slots - 1) {
    held += ports_[static_cast<std::size_t>(std::countr_zero(slots))].waiting.descriptors;
  }
  return held > ports_[kParentPort].link.transmit_size / 4U * 3;
}

void Switch::wait(std::size_t slot, Reference reference) {
  packets_.append(ports_[slot].waiting, reference);
  waited_for_ |= PortBits{1} << slot;
}

void Switch::wait_no_more(std::size_t slot, Reference previous, Reference reference) {
  Port& port = ports_[slot];
  packets_.unlink(port.waiting, previous, reference);
  if (!port.waiting.empty()) return;
  waited_for_ &= ~(PortBits{1} << slot);
  port.charged_at = 0;
}

// A packet that can't wait: its connection ends, and what already waits on it comes to nothing too.
void Switch::abandon(std::size_t slot, Reference reference) {
  const Header header = packets_.at(reference).header;
  const Connection connection = connection_of(header, kParentPort);
  Reference previous = 0;
  for (Reference at = ports_[slot].waiting.first; at != 0;) {
    const Reference next = packets_.at(at).next;
    if (connection_of(packets_.at(at).header, kParentPort) == connection) {
      wait_no_more(slot, previous, at);
      return_packet(kParentPort, at, Outcome::kDropped);
    } else {
      previous = at;
    }
    at = next;
  }
  if (!header.is(Op::kReset)) {
    const bool answered = refuse(kParentPort, header);
    return_packet(kParentPort, reference, answered ? Outcome::kDropped : Outcome::kRefused);
    return;
  }
  // The parent knows; the enclave is told from the table instead.
  const auto entry = connections_.find(static_cast<ConnectionTable::Owner>(slot), connection);
  if (entry && connections_.is_open(*entry)) {
    connections_.close(*entry, false, true);
  } else if (entry) {
    connections_.told(*entry, Side::kParent);
  }
  return_packet(kParentPort, reference, Outcome::kDropped);
}

// Takes the newest packet from an enclave that has more than its share of a short ring and no patience left. Time is
// charged while there is no buffer to speak of: a notification alone posts none, and buffers of a few bytes would hold the
// parent's ring for hours.
bool Switch::trim(std::size_t slot, std::uint64_t now, StepReport& report) {
  Port& port = ports_[slot];
  const bool over = port.waiting.descriptors > share_of_ring() && ring_is_short();
  // One that has posted buffers is not charged for the time until somebody looked.
  if (over && !ensure_buffer(slot, report) && !report.broken.empty()) return true;
  const bool takes = port.has_buffer && port.buffer.writable_bytes() >= kHeaderSize + kSmallPayload;
  if (!over || takes) {
    port.charged_at = 0;
    return false;
  }
  if (port.charged_at != 0 && now > port.charged_at) port.patience -= std::min(port.patience, now - port.charged_at);
  port.charged_at = std::max<std::uint64_t>(1, now);
  report.impatient = true;
  if (port.patience != 0) return false;
  const Reference newest = port.waiting.last;
  if (newest == port.waiting.first) return false;  // one always may wait: in a small ring a share can be less than a chain
  Reference previous = port.waiting.first;
  while (packets_.at(previous).next != newest) previous = packets_.at(previous).next;
  wait_no_more(slot, previous, newest);
  abandon(slot, newest);
  report.searched = true;
  return true;
}

bool Switch::refuse(std::size_t sender, const Header& header) {
  if (header.is(Op::kReset)) return true;
  if (sender == kParentPort || header.target_cid == kParentCid) {
    const std::size_t owner = sender == kParentPort ? slot_with(header.target_cid) : sender;
    const auto entry = connections_.find(static_cast<ConnectionTable::Owner>(owner), connection_of(header, sender));
    if (entry) {
      if (connections_.is_open(*entry)) connections_.close(*entry, true, true);
      return true;
    }
  }
  const Answer answer{header.target_cid, header.target_port, header.source_port, header.type};
  if (ports_[sender].answers.push(answer).ok()) return true;
  // Whoever sends on a connection that is none has been sent an RST for it, or has one due, or never asked. A sender
  // must not be stopped for that: two drivers that answer one another's resets could wait for one another.
  return !header.is(Op::kRequest);
}

void Switch::return_packet(std::size_t sender, Reference reference, Outcome outcome) {
  if (outcome != Outcome::kDone) ++ports_[sender].counters.dropped;
  packets_.at(reference).refused = outcome == Outcome::kRefused;
  packets_.append(ports_[sender].returns, reference);
}

bool Switch::give_back(std::size_t index, StepReport& report) {
  Port& port = ports_[index];
  const Reference reference = port.returns.first;
  WaitingPacket& packet = packets_.at(reference);
  if (packet.refused && !refuse(index, packet.header)) return false;
  packets_.unlink(port.returns, 0, reference);
  const std::uint16_t head = packet.chain.head;
  const std::uint16_t descriptors = packet.chain.count;
  packets_.give_back(reference);
  if (!port.link.transmit->push(*port.link.memory, head, 0).ok()) {
    break_port(index, report);
    return true;
  }
  if (!port.link.transmit->wants_interrupt(*port.link.memory)) return true;
  port.untold = static_cast<std::uint16_t>(port.untold + descriptors);  // no more than the ring has
  if (4U * port.untold >= port.link.transmit_size) tell(index, report);
  return true;
}

// Whatever the interrupt is for, the driver looks at all its rings.
void Switch::tell(std::size_t index, StepReport& report) {
  ports_[index].untold = 0;
  ports_[index].untold_at = 0;
  report.interrupt.add(partition_at(index));
}

void Switch::tell_who_waited(std::uint64_t now, StepReport& report) {
  looked_at_ = now;
  for (PortBits up = up_; up != 0; up &= up - 1) {
    const auto index = static_cast<std::size_t>(std::countr_zero(up));
    Port& port = ports_[index];
    if (!updates_.empty(index)) report.impatient = true;
    if (port.untold == 0) continue;
    if (port.untold_at == 0) port.untold_at = std::max<std::uint64_t>(1, now);
    if (now < port.untold_at + kTellWithin) {  // also when another core's clock was read a little later
      report.impatient = true;
    } else {
      tell(index, report);
      report.worked = true;
    }
  }
}

}  // namespace vsock
