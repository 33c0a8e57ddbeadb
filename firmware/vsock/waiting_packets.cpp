#include "firmware/vsock/waiting_packets.hpp"

namespace vsock {

WaitingPackets::Reference WaitingPackets::take() {
  if (free_ != 0) {
    const Reference reference = free_;
    free_ = at(reference).next;
    return reference;
  }
  if (touched_ == kOfParent) return 0;
  return ++touched_;
}

void WaitingPackets::give_back(Reference reference) {
  if (reference > kOfParent) return;  // an enclave's own is always its
  at(reference).next = free_;
  free_ = reference;
}

void WaitingPackets::append(PacketList& list, Reference reference) {
  at(reference).next = 0;
  (list.last == 0 ? list.first : at(list.last).next) = reference;
  list.last = reference;
  list.descriptors = static_cast<std::uint16_t>(list.descriptors + at(reference).chain.count);
}

void WaitingPackets::unlink(PacketList& list, Reference previous, Reference reference) {
  const Reference next = at(reference).next;
  (previous == 0 ? list.first : at(previous).next) = next;
  if (list.last == reference) list.last = previous;
  list.descriptors = static_cast<std::uint16_t>(list.descriptors - at(reference).chain.count);
}

}  // namespace vsock
