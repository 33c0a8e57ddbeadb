#include "firmware/vsock/switch.hpp"

#include <algorithm>
#include <bit>

namespace vsock {

std::size_t Switch::index_of(base::PartitionId port) {
  if (port == base::kParent) return kParentPort;
  if (!base::is_enclave(port) || base::slot_of(port).value >= kSlots) return kPorts;
  return base::slot_of(port).value;
}

base::PartitionId Switch::partition_at(std::size_t port) {
  return port == kParentPort ? base::kParent : base::partition_of(base::SlotIndex{static_cast<std::uint8_t>(port)});
}

std::size_t Switch::slot_with(std::uint64_t cid) const {
  std::size_t slot = 0;
  while (slot < kSlots && !(ports_[slot].attached && ports_[slot].cid == cid)) ++slot;
  return slot;
}

Connection Switch::connection_of(const Header& header, std::size_t sender) {
  const bool by_parent = sender == kParentPort;
  return {.cid = static_cast<std::uint32_t>(by_parent ? header.target_cid : header.source_cid),
          .enclave_port = by_parent ? header.target_port : header.source_port,
          .parent_port = by_parent ? header.source_port : header.target_port};
}

base::Status Switch::attach(base::SlotIndex slot, std::uint32_t cid, bool debug) {
  if (slot.value >= kSlots) return base::Error::kNoSuchSlot;
  Port& port = ports_[slot.value];
  if (port.attached) return base::Error::kWrongState;
  if (cid < kFirstEnclaveCid || cid == kAnyCid || slot_with(cid) != kSlots) return base::Error::kInvalidArgument;
  consoles_.forget(slot);
  if (debug) consoles_.begin(slot, cid);
  port.cid = cid;
  port.attached = true;
  ++attached_;
  port.counters = {};
  return {};
}

void Switch::detach(base::SlotIndex slot) {
  if (slot.value >= kSlots || !ports_[slot.value].attached) return;
  drop_link(slot.value);
  connections_.enclave_ended(slot.value);
  consoles_.end(slot);
  ports_[slot.value].attached = false;
  --attached_;
  ports_[slot.value].cid = 0;
}

void Switch::forget(base::SlotIndex slot) {
  if (slot.value >= kSlots || ports_[slot.value].attached) return;
  consoles_.forget(slot);
}

base::Status Switch::connect(base::PartitionId partition, const Link& link) {
  const std::size_t index = index_of(partition);
  if (index == kPorts) return base::Error::kWrongState;
  Port& port = ports_[index];
  if (port.connected || (index != kParentPort && !port.attached)) return base::Error::kWrongState;
  if (link.transmit_size == 0 || link.transmit_size > virtio::kMaxQueueSize || !link.receive->ready() ||
      !link.transmit->ready()) {
    return base::Error::kInvalidArgument;
  }
  port.link = link;
  port.connected = true;
  up_ |= PortBits{1} << index;
  tasks_ |= std::uint64_t{3} << (2 * index);
  port.transmit_idle = false;
  port.transmit_news = true;
  port.receive_dry = false;
  port.patience = 0;
  port.untold = 0;
  port.untold_at = 0;
  port.charged_at = 0;
  return {};
}

void Switch::disconnect(base::PartitionId partition) {
  const std::size_t index = index_of(partition);
  if (index != kPorts && ports_[index].connected) drop_link(index);
}

void Switch::kick(base::PartitionId partition, QueueKind queue) {
  const std::size_t index = index_of(partition);
  if (index == kPorts) return;
  switch (queue) {
    case QueueKind::kReceive:
      ports_[index].receive_dry = false;
      break;
    case QueueKind::kTransmit:
      ports_[index].transmit_idle = false;
      ports_[index].transmit_news = true;
      break;
    case QueueKind::kEvent:
      break;
  }
}

Counters Switch::counters(base::PartitionId partition) const {
  const std::size_t index = index_of(partition);
  return index == kPorts ? Counters{} : ports_[index].counters;
}

void Switch::drop_link(std::size_t index) {
  Port& port = ports_[index];
  port.connected = false;
  up_ &= ~(PortBits{1} << index);
  tasks_ &= ~(std::uint64_t{3} << (2 * index));
  port.has_buffer = false;
  port.answers.clear();
  while (!port.returns.empty()) {
    const Reference reference = port.returns.first;
    packets_.unlink(port.returns, 0, reference);
    packets_.give_back(reference);
  }
  if (index != kParentPort) {
    port.outgoing = 0;
    outgoing_ &= ~(PortBits{1} << index);
    connections_.enclave_gone(static_cast<ConnectionTable::Owner>(index));
    while (!port.waiting.empty()) {
      const Reference reference = port.waiting.first;
      wait_no_more(index, 0, reference);
      return_packet(kParentPort, reference, Outcome::kRefused);
    }
    return;
  }
  connections_.parent_gone();
  consoles_.parent_gone();
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    Port& enclave = ports_[slot];
    while (!enclave.waiting.empty()) {
      const Reference reference = enclave.waiting.first;
      wait_no_more(slot, 0, reference);
      packets_.give_back(reference);
    }
    if (enclave.outgoing == 0) continue;
    return_packet(slot, enclave.outgoing, Outcome::kRefused);
    enclave.outgoing = 0;
  }
  outgoing_ = 0;
}

void Switch::break_port(std::size_t port, StepReport& report) {
  report.broken.add(partition_at(port));
  drop_link(port);
}

StepReport Switch::step(std::uint64_t now) {
  StepReport report{};
  now_ = now;
  for (PortBits slots = up_ & waited_for_; slots != 0 && !report.worked; slots &= slots - 1) {
    report.worked = trim(static_cast<std::size_t>(std::countr_zero(slots)), now, report);
  }
  if (!report.worked) report.worked = look_for_work(report);
  report.quiet = report.worked && report.broken.empty() && is_quiet();
  // Also while somebody makes new work all the time.
  if (!report.worked || report.quiet || now >= looked_at_ + kTellWithin) tell_who_waited(now, report);
  return report;
}

// Many small buffers make as much work as many packets do. A ring that may_take_in() holds back makes none.
PortSet Switch::makers() const {
  const Port& parent = ports_[kParentPort];
  PortSet makers{};
  bool some_take = false;
  for (PortBits slots = up_ & ~(PortBits{1} << kParentPort); slots != 0; slots &= slots - 1) {
    const auto slot = static_cast<std::size_t>(std::countr_zero(slots));
    const Port& port = ports_[slot];
    const bool takes = !port.waiting.empty() && !port.receive_dry;
    const bool sends = !port.transmit_idle && (port.outgoing == 0 || !parent.receive_dry);
    if (takes || sends) makers.add(partition_at(slot));
    some_take |= takes;
  }
  const bool sends = !parent.transmit_idle && !some_take;
  const bool takes = !parent.receive_dry && makers.empty();  // what enclaves have sent, or a console
  if (parent.connected && (sends || takes)) makers.add(base::kParent);
  return makers;
}

// Nothing waits anywhere, for whatever reason: enough for most steps, and quickly seen.
bool Switch::is_quiet() const {
  if ((outgoing_ | waited_for_) != 0 || consoles_.has_packet() || connections_.due_to_parent()) return false;
  for (PortBits up = up_; up != 0; up &= up - 1) {
    const auto index = static_cast<std::size_t>(std::countr_zero(up));
    const Port& port = ports_[index];
    if (!port.transmit_idle || !port.returns.empty() || !port.answers.empty() || updates_.is_urgent(index)) return false;
    if (index != kParentPort && connections_.due_to_enclave(static_cast<ConnectionTable::Owner>(index))) return false;
  }
  return true;
}

// Each port in turn: what is for it, then what it sends.
bool Switch::look_for_work(StepReport& report) {
  const std::uint64_t from_here = ~std::uint64_t{0} << task_;
  for (std::uint64_t rest : {tasks_ & from_here, tasks_ & ~from_here}) {
    for (; rest != 0; rest &= rest - 1) {
      const auto task = static_cast<std::size_t>(std::countr_zero(rest));
      const bool worked = task % 2 == 0 ? deliver(task / 2, report) : take_in(task / 2, report);
      if (!worked && report.broken.empty()) continue;
      task_ = static_cast<std::uint8_t>((task + 1) % (2 * kPorts));
      return true;
    }
  }
  return false;
}

}  // namespace vsock
