// From the place where a packet waits to a receive ring.
#include <algorithm>
#include <bit>

#include "firmware/vsock/switch.hpp"

namespace vsock {

// Resets go first: nothing of a connection that the switch has ended may reach a side that does not know it has.
bool Switch::deliver(std::size_t index, StepReport& report) {
  Port& port = ports_[index];
  if (!port.connected) return false;
  const bool due = index == kParentPort
                       ? connections_.due_to_parent().has_value()
                       : connections_.due_to_enclave(static_cast<ConnectionTable::Owner>(index)).has_value();
  if (due || !port.answers.empty()) return deliver_reset(index, report);
  if (!updates_.empty(index)) {
    if (const Entry update = update_due(index)) return deliver_update(index, *update, report);
  }
  if (index == kParentPort) return deliver_to_parent(report);
  return !port.waiting.empty() && forward(kParentPort, index, port.waiting.first, report);
}

bool Switch::deliver_reset(std::size_t index, StepReport& report) {
  if (!ensure_buffer(index, report)) return false;
  Port& port = ports_[index];
  const bool to_parent = index == kParentPort;
  Header header{};
  header.target_cid = to_parent ? kParentCid : port.cid;
  header.op = static_cast<std::uint16_t>(Op::kReset);
  const auto due = to_parent ? connections_.due_to_parent()
                             : connections_.due_to_enclave(static_cast<ConnectionTable::Owner>(index));
  if (due) {
    const Connection connection = connections_.at(*due);
    header.source_cid = to_parent ? connection.cid : kParentCid;
    header.source_port = to_parent ? connection.enclave_port : connection.parent_port;
    header.target_port = to_parent ? connection.parent_port : connection.enclave_port;
    header.type = kTypeStream;
    connections_.told(*due, to_parent ? Side::kParent : Side::kEnclave);
  } else {
    const Answer answer = port.answers[0];
    port.answers.erase(0);
    header.source_cid = answer.source_cid;
    header.source_port = answer.source_port;
    header.target_port = answer.target_port;
    header.type = answer.type;
  }
  if (put(index, header, 0, report)) ++port.counters.resets;
  return true;
}

// The list's first, if its time has come. What was held for connections that have ended goes.
Switch::Entry Switch::update_due(std::size_t port) {
  const Side side = side_of(port);
  while (!updates_.empty(port)) {
    const ConnectionTable::Index first = updates_.first(port);
    if (!connections_.is_open(first)) {
      updates_.drop(first, side);
      continue;
    }
    if (updates_.is_due(first, side, now_)) return first;
    break;
  }
  return std::nullopt;
}

bool Switch::deliver_update(std::size_t index, ConnectionTable::Index entry, StepReport& report) {
  if (!ensure_buffer(index, report)) return false;
  const bool to_parent = index == kParentPort;
  const Connection& connection = connections_.at(entry);
  const Credit credit = updates_.take(entry, side_of(index));
  const Header header{.source_cid = to_parent ? connection.cid : kParentCid,
                      .target_cid = to_parent ? kParentCid : connection.cid,
                      .source_port = to_parent ? connection.enclave_port : connection.parent_port,
                      .target_port = to_parent ? connection.parent_port : connection.enclave_port,
                      .size = 0,
                      .type = kTypeStream,
                      .op = static_cast<std::uint16_t>(Op::kCreditUpdate),
                      .flags = 0,
                      .buffer_size = credit.space,
                      .forwarded = credit.forwarded};
  if (put(index, header, 0, report)) updates_.told(entry, side_of(index), credit);
  return true;
}

// Senders in turn: the slots, behind them the consoles.
bool Switch::deliver_to_parent(StepReport& report) {
  constexpr std::size_t kConsoles = kSlots;
  const PortBits senders = outgoing_ | (consoles_.has_packet() ? PortBits{1} << kConsoles : 0);
  const PortBits from_here = ~PortBits{0} << turn_;
  for (PortBits rest : {senders & from_here, senders & ~from_here}) {
    for (; rest != 0; rest &= rest - 1) {
      const auto sender = static_cast<std::size_t>(std::countr_zero(rest));
      const bool worked = sender == kConsoles ? deliver_console(report)
                                              : forward(sender, kParentPort, ports_[sender].outgoing, report);
      if (worked) {
        turn_ = static_cast<std::uint8_t>((sender + 1) % (kSlots + 1));
        return true;
      }
      if (!ports_[kParentPort].connected) return false;
    }
  }
  return false;
}

bool Switch::deliver_console(StepReport& report) {
  if (!ensure_buffer(kParentPort, report)) return false;
  Port& port = ports_[kParentPort];
  const std::size_t room = std::min<std::size_t>(port.buffer.writable_bytes() - kHeaderSize, kFragmentSize);
  const auto packet = consoles_.next_packet(base::MutableBytes(scratch_).subspan(kHeaderSize, room));
  if (!packet) return false;
  report.copied += static_cast<std::uint32_t>(packet->size);
  if (put(kParentPort, packet->header, packet->size, report) && packet->header.is(Op::kReset)) ++port.counters.resets;
  return true;
}

bool Switch::forward(std::size_t sender, std::size_t receiver, Reference reference, StepReport& report) {
  Port& from = ports_[sender];
  Port& to = ports_[receiver];
  const std::size_t slot = sender == kParentPort ? receiver : sender;
  WaitingPacket& packet = packets_.at(reference);
  const auto [fate, entry] = pass(sender, slot, packet.header);
  Outcome outcome = Outcome::kDone;
  switch (fate) {
    case Fate::kForward: {
      if (!ensure_buffer(receiver, report)) return false;
      Header header = packet.header;
      header.size = std::min({packet.header.size - packet.sent, kFragmentSize,
                              to.buffer.writable_bytes() - static_cast<std::uint32_t>(kHeaderSize)});
      const auto payload = base::MutableBytes(scratch_).subspan(kHeaderSize, header.size);
      if (header.size != 0 && !virtio::read_chain(*from.link.memory, packet.chain,
                                                  static_cast<std::uint32_t>(kHeaderSize) + packet.sent, payload)
                                   .ok()) {
        break_port(sender, report);
        return true;
      }
      if (!put(receiver, header, header.size, report)) return true;
      enter(sender, slot, packet.header, entry);
      packet.sent += header.size;
      report.copied += header.size;
      from.counters.bytes += header.size;
      if (header.size >= kSmallPayload || packet.sent == packet.header.size) {
        to.patience = std::min(kMaxPatience, to.patience + kEarned);  // of the parent nobody asks it
      }
      if (packet.sent != packet.header.size) return true;
      ++from.counters.packets;
      break;
    }
    case Fate::kDiscard:
      outcome = Outcome::kDropped;
      break;
    case Fate::kRefuse:
      outcome = Outcome::kRefused;
      break;
  }
  if (sender == kParentPort) {
    wait_no_more(slot, 0, reference);
  } else {
    from.outgoing = 0;
    outgoing_ &= ~(PortBits{1} << slot);
  }
  const bool first = from.returns.empty();
  return_packet(sender, reference, outcome);
  if (first) static_cast<void>(give_back(sender, report));  // or with a later step
  return true;
}

// Whether this packet may go on, as the table says now. Nothing is due to its receiver (see deliver()).
Switch::Passage Switch::pass(std::size_t sender, std::size_t slot, const Header& header) {
  const auto owner = static_cast<ConnectionTable::Owner>(slot);
  const Entry entry = connections_.find(owner, connection_of(header, sender));
  const bool open = entry && connections_.is_open(*entry);
  if (header.is(Op::kRequest)) {
    // An entry that is closing makes way for it: its sender has begun anew and waits for no RST.
    return {entry || connections_.count(owner) < kConnectionsPerEnclave ? Fate::kForward : Fate::kRefuse, entry};
  }
  if (open) return {Fate::kForward, entry};
  if (header.is(Op::kReset)) {
    if (entry) connections_.told(*entry, side_of(sender));
    return {Fate::kDiscard, std::nullopt};
  }
  return {entry ? Fate::kDiscard : Fate::kRefuse, std::nullopt};
}

// What a packet that was delivered changes in the tables.
void Switch::enter(std::size_t sender, std::size_t slot, const Header& header, Entry entry) {
  if (header.is(Op::kReset)) {
    if (entry) connections_.remove(*entry);
    return;
  }
  if (header.is(Op::kRequest) && !(entry && connections_.is_open(*entry))) {
    if (entry) connections_.remove(*entry);
    const auto begun = connections_.insert(static_cast<ConnectionTable::Owner>(slot), connection_of(header, sender));
    if (!begun) return;  // pass() found room
    updates_.begin(*begun);
    entry = *begun;
  }
  updates_.told(*entry, other(side_of(sender)), {header.buffer_size, header.forwarded});
}

bool Switch::ensure_buffer(std::size_t index, StepReport& report) {
  Port& port = ports_[index];
  if (port.has_buffer) return true;
  if (!port.connected || port.receive_dry) return false;
  const auto popped = port.link.receive->pop_into(*port.link.memory, port.buffer);
  if (popped.ok() && !*popped) {
    port.receive_dry = true;
    return false;
  }
  // 5.10.6.4: a buffer for receiving holds a header at least; without room for payload it would never end.
  if (!popped.ok() || port.buffer.writable_bytes() <= kHeaderSize) {
    break_port(index, report);
    return false;
  }
  port.has_buffer = true;
  return true;
}

// Into the buffer that the port holds; the payload stands in scratch_. False: the port is broken.
bool Switch::put(std::size_t index, const Header& header, std::size_t payload, StepReport& report) {
  Port& port = ports_[index];
  __builtin_memcpy(scratch_.data(), &header, kHeaderSize);
  const base::Bytes packet = base::Bytes(scratch_).first(kHeaderSize + payload);
  port.has_buffer = false;
  if (!virtio::write_chain(*port.link.memory, port.buffer, 0, packet).ok() ||
      !port.link.receive->push(*port.link.memory, port.buffer.head, static_cast<std::uint32_t>(packet.size())).ok()) {
    break_port(index, report);
    return false;
  }
  if (port.link.receive->wants_interrupt(*port.link.memory)) tell(index, report);
  return true;
}

}  // namespace vsock
