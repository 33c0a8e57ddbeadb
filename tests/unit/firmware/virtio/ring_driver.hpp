// The driver's side of a split virtqueue in a byte array, written from the specification (Virtual I/O Device 1.2, 2.7)
// and not from the device, so that the two can be held against each other. No GoogleTest: fuzzers use it too.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "firmware/virtio/queue.hpp"

namespace virtio_test {

inline constexpr std::uint64_t kMemoryBase = 0x4000'0000;

// A partition's RAM. What the device reads and writes is noted, and a test may change the memory under its hands.
class ByteMemory final : public virtio::GuestMemory {
 public:
  explicit ByteMemory(std::size_t size) : bytes_(size) {}

  base::Status read(base::Ipa from, base::MutableBytes to) override {
    if (!holds(from.value, to.size())) return base::Error::kOutOfRange;
    if (!to.empty()) std::memcpy(to.data(), at(from.value), to.size());
    reads.emplace_back(from.value, to.size());
    if (after_read) after_read(from.value, to.size());
    return {};
  }
  base::Status write(base::Ipa to, base::Bytes from) override {
    if (!holds(to.value, from.size())) return base::Error::kOutOfRange;
    if (!from.empty()) std::memcpy(at(to.value), from.data(), from.size());
    writes.emplace_back(to.value, from.size());
    return {};
  }

  [[nodiscard]] std::uint8_t* at(std::uint64_t address) { return bytes_.data() + (address - kMemoryBase); }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  void put(std::uint64_t address, std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) at(address)[i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
  [[nodiscard]] std::uint64_t get(std::uint64_t address, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value |= std::uint64_t{at(address)[i]} << (8 * i);
    return value;
  }

  std::vector<std::pair<std::uint64_t, std::size_t>> reads;
  std::vector<std::pair<std::uint64_t, std::size_t>> writes;
  std::function<void(std::uint64_t, std::size_t)> after_read;

 private:
  [[nodiscard]] bool holds(std::uint64_t address, std::size_t size) const {
    return address >= kMemoryBase && size <= bytes_.size() && address - kMemoryBase <= bytes_.size() - size;
  }
  std::vector<std::uint8_t> bytes_;
};

struct Buffer {
  std::uint64_t address;
  std::uint32_t size;
  bool writable;
};

struct Used {
  std::uint32_t head;
  std::uint32_t written;
  bool operator==(const Used&) const = default;
};

class RingDriver {
 public:
  // The three parts stand one after the other from `base` on, with a gap between them.
  RingDriver(ByteMemory& memory, std::uint64_t base, std::uint16_t size) : memory_(memory), size_(size) {
    layout_.size = size;
    layout_.descriptors = base::Ipa{base};
    layout_.available = base::Ipa{base + 16U * size + 64};
    layout_.used = base::Ipa{(layout_.available.value + 6U + 2U * size + 64 + 3) & ~std::uint64_t{3}};
    for (std::uint16_t i = 0; i < size; ++i) free_.push_back(i);
  }

  [[nodiscard]] const virtio::Queue::Layout& layout() const { return layout_; }
  [[nodiscard]] std::uint64_t end() const { return layout_.used.value + 6U + 8U * size_; }
  [[nodiscard]] std::uint64_t descriptor(std::uint16_t index) const { return layout_.descriptors.value + 16U * index; }
  [[nodiscard]] std::uint64_t available_flags() const { return layout_.available.value; }
  [[nodiscard]] std::uint64_t available_index() const { return layout_.available.value + 2; }
  [[nodiscard]] std::uint64_t available_entry(std::uint16_t at) const {
    return layout_.available.value + 4 + 2U * (at % size_);
  }
  [[nodiscard]] std::size_t free_descriptors() const { return free_.size(); }

  void write_descriptor(std::uint16_t index, std::uint64_t address, std::uint32_t size, std::uint16_t flags,
                        std::uint16_t next) {
    memory_.put(descriptor(index), address, 8);
    memory_.put(descriptor(index) + 8, size, 4);
    memory_.put(descriptor(index) + 12, flags, 2);
    memory_.put(descriptor(index) + 14, next, 2);
  }
  // Makes a chain available. Nothing when there are too few free descriptors.
  std::optional<std::uint16_t> add(const std::vector<Buffer>& buffers) {
    if (buffers.empty() || buffers.size() > free_.size()) return {};
    std::vector<std::uint16_t> taken(free_.end() - static_cast<std::ptrdiff_t>(buffers.size()), free_.end());
    free_.resize(free_.size() - buffers.size());
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      const bool last = i + 1 == buffers.size();
      const auto flags = static_cast<std::uint16_t>((last ? 0 : 1) | (buffers[i].writable ? 2 : 0));
      write_descriptor(taken[i], buffers[i].address, buffers[i].size, flags, last ? std::uint16_t{0} : taken[i + 1]);
    }
    announce(taken.front());
    chains_[taken.front()] = taken;
    return taken.front();
  }
  void announce(std::uint16_t head) {
    memory_.put(available_entry(next_), head, 2);
    memory_.put(available_index(), ++next_, 2);
  }
  // What the device has given back since the last time, and its descriptors are free again.
  std::vector<Used> collect() {
    std::vector<Used> result;
    const auto index = static_cast<std::uint16_t>(memory_.get(layout_.used.value + 2, 2));
    for (; seen_ != index && result.size() <= size_; ++seen_) {
      const std::uint64_t element = layout_.used.value + 4 + 8U * (seen_ % size_);
      const Used used{static_cast<std::uint32_t>(memory_.get(element, 4)),
                      static_cast<std::uint32_t>(memory_.get(element + 4, 4))};
      result.push_back(used);
      if (const auto chain = chains_.find(used.head); chain != chains_.end()) {
        free_.insert(free_.end(), chain->second.begin(), chain->second.end());
        chains_.erase(chain);
      }
    }
    return result;
  }

 private:
  ByteMemory& memory_;
  virtio::Queue::Layout layout_{};
  std::uint16_t size_;
  std::vector<std::uint16_t> free_;
  std::map<std::uint32_t, std::vector<std::uint16_t>> chains_;
  std::uint16_t next_{0};
  std::uint16_t seen_{0};
};

}  // namespace virtio_test
