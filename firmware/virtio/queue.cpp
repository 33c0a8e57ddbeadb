#include "firmware/virtio/queue.hpp"

#include <algorithm>
#include <atomic>
#include <limits>

namespace virtio {

namespace {

// Virtual I/O Device 1.2, 2.7.5 (descriptor table), 2.7.6 (available ring), 2.7.8 (used ring).
constexpr std::uint16_t kFlagNext = 1;
constexpr std::uint16_t kFlagWrite = 2;
constexpr std::uint16_t kNoInterrupt = 1;  // in the available ring's flags
constexpr std::uint64_t kDescriptorSize = 16;
constexpr std::uint64_t kRingIndex = 2;  // of both rings; before it the flags, behind it the elements
constexpr std::uint64_t kRingElements = 4;
constexpr std::uint64_t kAvailableElement = 2;
constexpr std::uint64_t kUsedElement = 8;
constexpr std::uint64_t kRingTail = 2;        // used_event or avail_event: there, though the feature is not offered
constexpr std::size_t kMaxPiece = 64 * 1024;  // what GuestMemory copies at once

[[nodiscard]] base::Ipa at(base::Ipa base, std::uint64_t offset) { return base::Ipa{base.value + offset}; }

[[nodiscard]] bool wraps(std::uint64_t address, std::uint64_t size) {
  return size != 0 && address > std::numeric_limits<std::uint64_t>::max() - (size - 1);
}

struct TableEntry {
  Descriptor descriptor;
  std::uint16_t flags;
  std::uint16_t next;
};

[[nodiscard]] base::Result<TableEntry> read_entry(GuestMemory& memory, base::Ipa from) {
  struct {
    std::uint64_t address;
    std::uint32_t size;
    std::uint16_t flags;
    std::uint16_t next;
  } entry;
  static_assert(sizeof entry == kDescriptorSize);
  MON_TRY(memory.copy_in(from, {reinterpret_cast<std::uint8_t*>(&entry), sizeof entry}));
  return TableEntry{{base::Ipa{entry.address}, entry.size, (entry.flags & kFlagWrite) != 0}, entry.flags, entry.next};
}

[[nodiscard]] std::uint32_t part_bytes(const Chain& chain, bool writable) {
  std::uint32_t total = 0;  // at most kMaxChainBytes: pop() saw to it
  for (std::size_t i = 0; i < chain.count; ++i) {
    if (chain.descriptors[i].writable == writable) total += chain.descriptors[i].size;
  }
  return total;
}

// As headers and short packets do: nothing to add up, one piece. The first descriptor of a chain is the first of its part.
[[nodiscard]] bool lies_in_first(const Chain& chain, bool writable, std::uint32_t offset, std::size_t size) {
  if (chain.count == 0 || size > kMaxPiece) return false;
  const Descriptor& first = chain.descriptors[0];
  return first.writable == writable && offset <= first.size && size <= first.size - offset;
}

// Calls copy(address, first, count) for each piece of [offset, offset + size) of one part of the chain.
template <typename Copy>
[[nodiscard]] base::Status for_pieces(const Chain& chain, bool writable, std::uint32_t offset, std::size_t size,
                                      const Copy& copy) {
  const std::uint32_t total = part_bytes(chain, writable);
  if (offset > total || size > total - offset) return base::Error::kOutOfRange;
  std::size_t done = 0;
  std::uint64_t skip = offset;
  for (std::size_t i = 0; i < chain.count && done < size; ++i) {
    const Descriptor& descriptor = chain.descriptors[i];
    if (descriptor.writable != writable) continue;
    if (skip >= descriptor.size) {
      skip -= descriptor.size;
      continue;
    }
    while (done < size && skip < descriptor.size) {
      const std::size_t count = std::min({size - done, static_cast<std::size_t>(descriptor.size - skip), kMaxPiece});
      MON_TRY(copy(at(descriptor.address, skip), done, count));
      done += count;
      skip += count;
    }
    skip = 0;
  }
  return {};
}

}  // namespace

std::uint32_t Chain::readable_bytes() const { return part_bytes(*this, false); }
std::uint32_t Chain::writable_bytes() const { return part_bytes(*this, true); }

base::Status read_chain(GuestMemory& memory, const Chain& chain, std::uint32_t offset, base::MutableBytes to) {
  if (lies_in_first(chain, false, offset, to.size())) return memory.copy_in(at(chain.descriptors[0].address, offset), to);
  return for_pieces(chain, false, offset, to.size(), [&](base::Ipa from, std::size_t first, std::size_t count) {
    return memory.copy_in(from, to.subspan(first, count));
  });
}

base::Status write_chain(GuestMemory& memory, const Chain& chain, std::uint32_t offset, base::Bytes from) {
  if (lies_in_first(chain, true, offset, from.size())) return memory.copy_out(at(chain.descriptors[0].address, offset), from);
  return for_pieces(chain, true, offset, from.size(), [&](base::Ipa to, std::size_t first, std::size_t count) {
    return memory.copy_out(to, from.subspan(first, count));
  });
}

base::Status Queue::configure(const Layout& layout) {
  const std::uint64_t size = layout.size;
  if (size == 0 || size > kMaxQueueSize || (size & (size - 1)) != 0) return base::Error::kInvalidArgument;
  if (!base::is_aligned(layout.descriptors.value, 16) || !base::is_aligned(layout.available.value, 2) ||
      !base::is_aligned(layout.used.value, 4)) {
    return base::Error::kInvalidArgument;
  }
  if (wraps(layout.descriptors.value, kDescriptorSize * size) ||
      wraps(layout.available.value, kRingElements + kAvailableElement * size + kRingTail) ||
      wraps(layout.used.value, kRingElements + kUsedElement * size + kRingTail)) {
    return base::Error::kInvalidArgument;
  }
  reset();
  layout_ = layout;
  ready_ = true;
  return {};
}

void Queue::reset() {
  const std::uint32_t generation = generation_ + 1;
  *this = Queue{};
  generation_ = generation;
}

base::Result<std::uint16_t> Queue::available(GuestMemory& memory) const {
  if (!ready_) return base::Error::kWrongState;
  MON_TRY_ASSIGN(const std::uint16_t index, memory.load<std::uint16_t>(at(layout_.available, kRingIndex)));
  // A chain has at least one descriptor of its own, so no more than `size` can be with the device, popped or not.
  if (static_cast<std::uint16_t>(index - next_used_) > layout_.size) return base::Error::kInvalidArgument;
  const auto with_device = static_cast<std::uint16_t>(index - next_used_);
  const auto popped = static_cast<std::uint16_t>(next_available_ - next_used_);
  if (with_device < popped) return base::Error::kInvalidArgument;  // the index went back
  return static_cast<std::uint16_t>(with_device - popped);
}

base::Result<bool> Queue::pop_into(GuestMemory& memory, Chain& chain) {
  // What an index announced that was read before is there: it is read again when that is used up.
  if (!ready_ || seen_available_ == next_available_) {
    MON_TRY_ASSIGN(const std::uint16_t count, available(memory));
    if (count == 0) return false;
    seen_available_ = static_cast<std::uint16_t>(next_available_ + count);
    std::atomic_thread_fence(std::memory_order_acquire);  // what the index announces is read after it
  }

  const std::uint64_t slot = next_available_ & (layout_.size - 1U);
  MON_TRY_ASSIGN(const std::uint16_t head,
                 memory.load<std::uint16_t>(at(layout_.available, kRingElements + kAvailableElement * slot)));
  chain.head = head;
  chain.count = 0;
  std::uint64_t total = 0;
  std::uint16_t index = head;
  // A loop in the table ends here as a chain that is too long.
  for (const std::size_t limit = std::min<std::size_t>(layout_.size, kMaxChainLength); chain.count < limit;) {
    if (index >= layout_.size) return base::Error::kInvalidArgument;
    MON_TRY_ASSIGN(const TableEntry entry, read_entry(memory, at(layout_.descriptors, kDescriptorSize * index)));
    if ((entry.flags & ~(kFlagNext | kFlagWrite)) != 0) return base::Error::kInvalidArgument;
    if (wraps(entry.descriptor.address.value, entry.descriptor.size)) return base::Error::kOutOfRange;
    const bool after_writable = chain.count != 0 && chain.descriptors[chain.count - 1U].writable;
    if (after_writable && !entry.descriptor.writable) return base::Error::kInvalidArgument;
    total += entry.descriptor.size;
    if (total > kMaxChainBytes) return base::Error::kInvalidArgument;
    chain.descriptors[chain.count++] = entry.descriptor;
    if ((entry.flags & kFlagNext) == 0) {
      ++next_available_;
      return true;
    }
    index = entry.next;
  }
  return base::Error::kInvalidArgument;
}

base::Result<std::optional<Chain>> Queue::pop(GuestMemory& memory) {
  std::optional<Chain> chain{std::in_place};
  MON_TRY_ASSIGN(const bool popped, pop_into(memory, *chain));
  if (!popped) chain.reset();
  return chain;
}

base::Status Queue::push(GuestMemory& memory, std::uint16_t head, std::uint32_t written) {
  if (!ready_ || next_used_ == next_available_) return base::Error::kWrongState;
  if (head >= layout_.size) return base::Error::kInvalidArgument;
  const std::uint64_t slot = next_used_ & (layout_.size - 1U);
  const std::array<std::uint32_t, 2> element{head, written};
  static_assert(sizeof element == kUsedElement);
  MON_TRY(memory.copy_out(at(layout_.used, kRingElements + kUsedElement * slot),
                          {reinterpret_cast<const std::uint8_t*>(element.data()), sizeof element}));
  std::atomic_thread_fence(std::memory_order_release);  // the answer and its element are there before the index says so
  MON_TRY(memory.store(at(layout_.used, kRingIndex), static_cast<std::uint16_t>(next_used_ + 1)));
  ++next_used_;
  return {};
}

bool Queue::wants_interrupt(GuestMemory& memory) const {
  if (!ready_) return false;
  // The index was written before the flags are read: otherwise both sides may wait for one another (2.7.7.2).
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const auto flags = memory.load<std::uint16_t>(layout_.available);
  return flags.ok() && (*flags & kNoInterrupt) == 0;
}

}  // namespace virtio
