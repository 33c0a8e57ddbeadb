// Messages between a parent and its enclave through a channel: memory of the parent that both can change at any time.
//
// The channel's two halves are one ring each: the first from the enclave to the parent, the second the other way.
// A ring is { u32 written, u32 taken, bytes }: indices count bytes and wrap at 2^32; the capacity is a power of two.
// A message is { u32 kind, u32 size, bytes }, not aligned. Whatever the peer wrote is checked, after it was copied.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace bare {

enum class MessageKind : std::uint32_t {
  kText = 1,      // enclave: for people
  kRandom = 2,    // enclave: bytes of GetRandom
  kPcr = 3,       // enclave: u8 index, u8 locked, 48 bytes
  kDocument = 4,  // enclave: the attestation document
  kSecret = 5,    // enclave: u64 offset of its secret in its memory
  kVerdict = 6,   // enclave: u8, 1 when its secret is as it was
  kFailure = 7,   // enclave: what went wrong, for people
  kCost = 8,      // enclave: u64 instructions, then the name of what was measured
  kNonce = 16,    // parent: bytes for the document
  kCheck = 17,    // parent: look at the secret again
  kMeasure = 18,  // parent: begin to measure
};

class Ring {
 public:
  // `bytes` is the size of this half of the channel.
  Ring(std::uint64_t address, std::uint64_t bytes)
      : header_(reinterpret_cast<Header*>(address)),
        data_(reinterpret_cast<volatile std::uint8_t*>(address + sizeof(Header))),
        capacity_(capacity_of(bytes)) {}

  void reset() const {
    header_->written.store(0);
    header_->taken.store(0);
  }

  // False when there is no room now.
  [[nodiscard]] bool put(MessageKind kind, std::span<const std::uint8_t> payload) const {
    const std::uint32_t written = header_->written.load(std::memory_order_relaxed);
    const std::uint32_t used = written - header_->taken.load(std::memory_order_acquire);
    if (used > capacity_ || capacity_ - used < kMessageHeader + payload.size()) return false;
    std::uint32_t at = written;
    const auto put_word = [&](std::uint32_t word) {
      for (int i = 0; i < 4; ++i) data_[at++ % capacity_] = static_cast<std::uint8_t>(word >> (8 * i));
    };
    put_word(static_cast<std::uint32_t>(kind));
    put_word(static_cast<std::uint32_t>(payload.size()));
    for (const std::uint8_t byte : payload) data_[at++ % capacity_] = byte;
    header_->written.store(at, std::memory_order_release);
    return true;
  }

  struct Message {
    MessageKind kind;
    std::size_t size;  // bytes of `buffer` that were filled
  };
  // Nothing there, or nonsense, gives size 0 and kind 0; nonsense empties the ring.
  [[nodiscard]] Message take(std::span<std::uint8_t> buffer) const {
    const std::uint32_t taken = header_->taken.load(std::memory_order_relaxed);
    const std::uint32_t waiting = header_->written.load(std::memory_order_acquire) - taken;
    if (waiting == 0) return {};
    std::uint32_t at = taken;
    const auto take_word = [&] {
      std::uint32_t word = 0;
      for (int i = 0; i < 4; ++i) word |= std::uint32_t{data_[at++ % capacity_]} << (8 * i);
      return word;
    };
    const std::uint32_t kind = waiting >= kMessageHeader ? take_word() : 0;
    const std::uint32_t size = waiting >= kMessageHeader ? take_word() : 0;
    if (waiting > capacity_ || waiting < kMessageHeader || size > waiting - kMessageHeader || size > buffer.size()) {
      header_->taken.store(taken + waiting, std::memory_order_release);
      return {};
    }
    for (std::uint32_t i = 0; i < size; ++i) buffer[i] = data_[at++ % capacity_];
    header_->taken.store(at, std::memory_order_release);
    return {static_cast<MessageKind>(kind), size};
  }

 private:
  struct Header {
    std::atomic<std::uint32_t> written;
    std::atomic<std::uint32_t> taken;
  };
  static constexpr std::uint32_t kMessageHeader = 8;
  static std::uint32_t capacity_of(std::uint64_t bytes) {
    std::uint32_t capacity = 1;
    while (std::uint64_t{capacity} * 2 <= bytes - sizeof(Header)) capacity *= 2;
    return capacity;
  }

  Header* header_;
  volatile std::uint8_t* data_;
  std::uint32_t capacity_;
};

inline constexpr std::uint64_t kChannelBytes = 64 * 1024;

}  // namespace bare
