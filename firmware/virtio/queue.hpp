// The device's side of one split virtqueue (Virtual I/O Device 1.2, section 2.7).
//
// Everything in the rings is the driver's to write at any time: each field is read once, into the monitor, and checked
// before it is used. A ring that breaks the specification is an error; the device then asks for a reset
// (DEVICE_NEEDS_RESET) and touches the ring no more.
// No VIRTIO_F_INDIRECT_DESC, no VIRTIO_F_EVENT_IDX, no packed ring: they are not offered.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "firmware/virtio/guest_memory.hpp"

namespace virtio {

inline constexpr std::uint16_t kMaxQueueSize = 1024;       // a power of two
inline constexpr std::size_t kMaxChainLength = 32;         // descriptors; a longer chain is an error
inline constexpr std::uint32_t kMaxChainBytes = 1U << 20;  // of all its descriptors

struct Descriptor {
  base::Ipa address;
  std::uint32_t size;
  bool writable;  // by the device
};

// Read once by pop(); the driver's later changes to the descriptor table change nothing here. Chains are short and the
// array is long: only the first `count` descriptors are ever written or read.
struct Chain {
  std::uint16_t head{};
  std::uint8_t count{};
  std::array<Descriptor, kMaxChainLength> descriptors;

  constexpr Chain() {
    if (std::is_constant_evaluated()) descriptors = {};  // static storage is zero, as the linker wants it
  }
  // Device-readable descriptors come before device-writable ones (2.7.4.2); pop() refuses other orders.
  [[nodiscard]] std::uint32_t readable_bytes() const;
  [[nodiscard]] std::uint32_t writable_bytes() const;
};

// Bytes of a chain's readable or writable part, as if it were contiguous. `offset` counts from the start of that part.
// Errors: kOutOfRange (past its end, or GuestMemory's).
[[nodiscard]] base::Status read_chain(GuestMemory& memory, const Chain& chain, std::uint32_t offset,
                                      base::MutableBytes to);
[[nodiscard]] base::Status write_chain(GuestMemory& memory, const Chain& chain, std::uint32_t offset, base::Bytes from);

class Queue {
 public:
  // As set through the transport. Errors of configure(): kInvalidArgument (size no power of two, zero or above
  // kMaxQueueSize; addresses not aligned to 16, 2 and 4; a part that would pass the top of the address space). The
  // queue is as it was then.
  struct Layout {
    std::uint16_t size;
    base::Ipa descriptors;
    base::Ipa available;
    base::Ipa used;
  };
  [[nodiscard]] base::Status configure(const Layout& layout);
  void reset();
  [[nodiscard]] bool ready() const { return ready_; }
  [[nodiscard]] std::uint16_t size() const { return layout_.size; }  // descriptors; 0 before the first configure()
  // Another number after every configure() and reset(): what was popped under another one is not to be pushed any more.
  [[nodiscard]] std::uint32_t generation() const { return generation_; }

  // The next chain, or nothing when the driver has made none available. Every chain that was popped is pushed once.
  // Errors: kWrongState (not ready), kInvalidArgument (index or flags out of range, a loop, a chain too long or too
  // large, more than `size` chains with the device, wrong order), kOutOfRange (GuestMemory; a buffer that wraps).
  [[nodiscard]] base::Result<std::optional<Chain>> pop(GuestMemory& memory);
  // The same into a place that the caller has, for whoever moves many: true when there was one, else `chain` is
  // undefined.
  [[nodiscard]] base::Result<bool> pop_into(GuestMemory& memory, Chain& chain);
  // Everything that the index announced that was read last has been popped: the next pop reads it anew.
  [[nodiscard]] bool all_popped() const { return seen_available_ == next_available_; }
  // How many chains are available and not popped: bounded by the queue's size. Errors as pop(), but for a chain's own.
  [[nodiscard]] base::Result<std::uint16_t> available(GuestMemory& memory) const;
  // The chain is the driver's again; `written` bytes of its writable part hold the answer. In any order of heads.
  // Errors: kWrongState (not ready, or nothing is popped), kInvalidArgument (no such head), kOutOfRange (GuestMemory).
  [[nodiscard]] base::Status push(GuestMemory& memory, std::uint16_t head, std::uint32_t written);
  // Whether the driver wants an interrupt for what was pushed (VIRTQ_AVAIL_F_NO_INTERRUPT). A ring that can't be read:
  // no.
  [[nodiscard]] bool wants_interrupt(GuestMemory& memory) const;

 private:
  Layout layout_{};
  bool ready_{false};
  std::uint16_t seen_available_{0};  // the driver's index as it was read and checked last
  std::uint16_t next_available_{0};  // both count modulo 2^16, as the rings' indices do; popped and not pushed: between
  std::uint16_t next_used_{0};
  std::uint32_t generation_{0};
};

}  // namespace virtio
