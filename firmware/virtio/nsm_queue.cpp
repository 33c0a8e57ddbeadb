#include "firmware/virtio/nsm_queue.hpp"

namespace virtio {

void NsmQueue::forget_if_reset(const Queue& queue) {
  if (phase_ != Phase::kIdle && generation_ != queue.generation()) phase_ = Phase::kIdle;
}

base::Result<NsmTaken> NsmQueue::take(Queue& queue, GuestMemory& memory, base::MutableBytes buffer) {
  if (buffer.size() < kNsmMaxRequest) return base::Error::kBufferTooSmall;
  forget_if_reset(queue);
  if (phase_ == Phase::kTaken) return NsmTaken{.kind = NsmTaken::Kind::kBusy};
  if (phase_ == Phase::kIdle) {
    MON_TRY_ASSIGN(const std::optional<Chain> first, queue.pop(memory));
    if (!first) return NsmTaken{};
    if (first->descriptors[0].writable) return base::Error::kInvalidArgument;
    chain_ = *first;
    generation_ = queue.generation();
    phase_ = Phase::kHalf;
  }
  const Chain request = chain_;
  Chain response = chain_;
  const bool one_chain = request.descriptors[request.count - 1U].writable;  // which come last
  if (!one_chain) {
    MON_TRY_ASSIGN(const std::optional<Chain> second, queue.pop(memory));
    if (!second) return NsmTaken{};
    if (!second->descriptors[0].writable) return base::Error::kInvalidArgument;
    response = *second;
  }
  NsmTaken taken{.kind = NsmTaken::Kind::kTooLong, .capacity = response.writable_bytes(), .ticket = generation_};
  if (const std::uint32_t size = request.readable_bytes(); size <= kNsmMaxRequest) {
    MON_TRY(read_chain(memory, request, 0, buffer.first(size)));
    taken.kind = NsmTaken::Kind::kRequest;
    taken.bytes = static_cast<std::uint16_t>(size);
  }
  one_chain_ = one_chain;
  request_head_ = request.head;
  chain_ = response;
  phase_ = Phase::kTaken;
  return taken;
}

base::Result<bool> NsmQueue::finish(Queue& queue, GuestMemory& memory, std::uint32_t ticket, base::Bytes response) {
  forget_if_reset(queue);
  if (phase_ != Phase::kTaken || ticket != generation_) return false;
  if (response.size() > chain_.writable_bytes()) return base::Error::kBufferTooSmall;
  phase_ = Phase::kIdle;
  MON_TRY(write_chain(memory, chain_, 0, response));
  if (!one_chain_) MON_TRY(queue.push(memory, request_head_, 0));
  MON_TRY(queue.push(memory, chain_.head, static_cast<std::uint32_t>(response.size())));
  return queue.wants_interrupt(memory);
}

}  // namespace virtio
