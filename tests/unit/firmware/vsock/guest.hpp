// A guest's virtio-vsock driver over memory in an array: what it can do to its rings, well or badly.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "firmware/virtio/queue.hpp"
#include "firmware/vsock/switch.hpp"

namespace vsock_test {

using Payload = std::vector<std::uint8_t>;

struct Packet {
  vsock::Header header;
  Payload payload;
};

class Ram final : public virtio::GuestMemory {
 public:
  explicit Ram(std::size_t size) : bytes_(size) {}
  [[nodiscard]] base::Status read(base::Ipa from, base::MutableBytes to) override {
    if (from.value > bytes_.size() || to.size() > bytes_.size() - from.value) return base::Error::kOutOfRange;
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(from.value), to.size(), to.begin());
    return {};
  }
  [[nodiscard]] base::Status write(base::Ipa to, base::Bytes from) override {
    if (to.value > bytes_.size() || from.size() > bytes_.size() - to.value) return base::Error::kOutOfRange;
    std::copy(from.begin(), from.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(to.value));
    return {};
  }
  template <typename T>
  [[nodiscard]] T get(std::uint64_t at) const {
    std::uint64_t value = 0;
    for (std::size_t i = sizeof(T); i-- > 0;) value = value << 8 | bytes_[at + i];
    return static_cast<T>(value);
  }
  template <typename T>
  void set(std::uint64_t at, T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i)
      bytes_[at + i] = static_cast<std::uint8_t>(std::uint64_t{value} >> (8 * i));
  }
  [[nodiscard]] std::uint8_t* data() { return bytes_.data(); }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }

 private:
  std::vector<std::uint8_t> bytes_;
};

// One ring as its driver sees it. Each descriptor owns a buffer of `buffer_size` bytes.
class Ring {
 public:
  Ring(Ram& ram, std::uint64_t base, std::uint16_t size, std::uint32_t buffer_size)
      : ram_(ram), base_(base), size_(size), buffer_size_(buffer_size) {
    reset();
  }
  static std::uint64_t bytes(std::uint16_t size, std::uint32_t buffer_size) {
    return kBuffers + std::uint64_t{size} * buffer_size;
  }
  void reset() {
    free_.clear();
    for (std::uint16_t i = size_; i-- > 0;) free_.push_back(i);
    chains_.assign(size_, {});
    std::fill_n(ram_.data() + base_, kBuffers, std::uint8_t{0});
    available_ = used_ = 0;
  }
  [[nodiscard]] virtio::Queue::Layout layout() const {
    return {size_, base::Ipa{base_}, base::Ipa{base_ + kAvailable}, base::Ipa{base_ + kUsed}};
  }
  [[nodiscard]] std::size_t free() const { return free_.size(); }
  [[nodiscard]] std::uint16_t size() const { return size_; }
  [[nodiscard]] std::uint32_t buffer_size() const { return buffer_size_; }

  // Bytes, cut at most into pieces of `piece`, for the device to read.
  [[nodiscard]] bool offer(const Payload& bytes, std::uint32_t piece) {
    piece = std::min(piece, buffer_size_);
    const std::size_t count = std::max<std::size_t>(1, (bytes.size() + piece - 1) / piece);
    if (count > free_.size() || count > virtio::kMaxChainLength) return false;
    std::vector<std::uint16_t> chain;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint16_t index = take();
      const std::size_t first = i * piece;
      const std::size_t size = std::min<std::size_t>(piece, bytes.size() - first);
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(first), size, ram_.data() + buffer(index));
      describe(index, buffer(index), static_cast<std::uint32_t>(size), 0);
      if (!chain.empty()) link(chain.back(), index);
      chain.push_back(index);
    }
    announce(chain);
    return true;
  }
  // `count` buffers of `size` bytes as one chain for the device to write.
  [[nodiscard]] bool offer_space(std::size_t count, std::uint32_t size) {
    if (count > free_.size()) return false;
    std::vector<std::uint16_t> chain;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint16_t index = take();
      describe(index, buffer(index), size, 2);
      if (!chain.empty()) link(chain.back(), index);
      chain.push_back(index);
    }
    announce(chain);
    return true;
  }
  // What the device has put into the next used chain.
  [[nodiscard]] std::optional<Payload> collect() {
    if (ram_.get<std::uint16_t>(base_ + kUsed + 2) == used_) return std::nullopt;
    const std::uint64_t element = base_ + kUsed + 4 + 8U * (used_ % size_);
    const auto head = static_cast<std::uint16_t>(ram_.get<std::uint32_t>(element));
    std::uint32_t left = ram_.get<std::uint32_t>(element + 4);
    ++used_;
    Payload bytes;
    for (const std::uint16_t index : chains_[head]) {
      const std::uint32_t part = std::min(left, ram_.get<std::uint32_t>(base_ + 16U * index + 8));
      bytes.insert(bytes.end(), ram_.data() + buffer(index), ram_.data() + buffer(index) + part);
      left -= part;
      free_.push_back(index);
    }
    chains_[head].clear();
    return bytes;
  }
  void set_flags(std::uint16_t flags) { ram_.set(base_ + kAvailable, flags); }
  void set_available_index(std::uint16_t index) { ram_.set(base_ + kAvailable + 2, index); }
  void describe(std::uint16_t index, std::uint64_t address, std::uint32_t size, std::uint16_t flags) {
    ram_.set(base_ + 16U * index, address);
    ram_.set(base_ + 16U * index + 8, size);
    ram_.set(base_ + 16U * index + 12, flags);
    ram_.set(base_ + 16U * index + 14, std::uint16_t{0});
  }
  void announce(const std::vector<std::uint16_t>& chain) {
    chains_[chain.front()] = chain;
    ram_.set(base_ + kAvailable + 4 + 2U * (available_ % size_), chain.front());
    ram_.set(base_ + kAvailable + 2, ++available_);
  }
  [[nodiscard]] std::uint16_t take() {
    const std::uint16_t index = free_.back();
    free_.pop_back();
    return index;
  }
  [[nodiscard]] std::uint64_t buffer(std::uint16_t index) const {
    return base_ + kBuffers + std::uint64_t{index} * buffer_size_;
  }

 private:
  static constexpr std::uint64_t kAvailable = 0x1000;  // for up to 256 descriptors
  static constexpr std::uint64_t kUsed = 0x1400;
  static constexpr std::uint64_t kBuffers = 0x2000;
  void link(std::uint16_t from, std::uint16_t to) {
    const std::uint64_t at = base_ + 16U * from;
    ram_.set(at + 12, static_cast<std::uint16_t>(ram_.get<std::uint16_t>(at + 12) | 1U));
    ram_.set(at + 14, to);
  }

  Ram& ram_;
  std::uint64_t base_;
  std::uint16_t size_;
  std::uint32_t buffer_size_;
  std::vector<std::uint16_t> free_;
  std::vector<std::vector<std::uint16_t>> chains_;
  std::uint16_t available_{};
  std::uint16_t used_{};
};

struct Shape {
  std::uint16_t ring = 256;
  std::uint32_t receive_buffer = 4096;
  std::uint32_t transmit_buffer = 4096;
};

// A port's memory, rings and driver.
class Guest {
 public:
  Guest(base::PartitionId port, std::uint64_t cid, Shape shape = {})
      : port_(port),
        cid_(cid),
        ram_(Ring::bytes(shape.ring, shape.receive_buffer) + Ring::bytes(shape.ring, shape.transmit_buffer) + 64),
        receive_(ram_, 0, shape.ring, shape.receive_buffer),
        transmit_(ram_, (Ring::bytes(shape.ring, shape.receive_buffer) + 15) & ~std::uint64_t{15}, shape.ring,
                  shape.transmit_buffer) {}

  [[nodiscard]] base::Status connect(vsock::Switch& vsock) {
    receive_.reset();
    transmit_.reset();
    MON_TRY(receive_queue_.configure(receive_.layout()));
    MON_TRY(transmit_queue_.configure(transmit_.layout()));
    return vsock.connect(port_, {&receive_queue_, &transmit_queue_, &ram_, transmit_.size()});
  }
  // As a driver does it, notification included.
  void refill(vsock::Switch& vsock, std::size_t count = SIZE_MAX) {
    while (count-- > 0 && receive_.offer_space(1, receive_.buffer_size())) continue;
    vsock.kick(port_, vsock::QueueKind::kReceive);
  }
  [[nodiscard]] bool send(vsock::Switch& vsock, const vsock::Header& header, const Payload& payload = {},
                          std::uint32_t piece = 4096) {
    reclaim();
    const vsock::HeaderBytes bytes = vsock::encode(header);
    Payload all(bytes.begin(), bytes.end());
    all.insert(all.end(), payload.begin(), payload.end());
    if (!transmit_.offer(all, piece)) return false;
    vsock.kick(port_, vsock::QueueKind::kTransmit);
    return true;
  }
  void reclaim() {
    while (transmit_.collect()) continue;
  }
  [[nodiscard]] std::optional<Packet> receive() {
    const auto bytes = receive_.collect();
    if (!bytes) return std::nullopt;
    vsock::HeaderBytes header{};
    std::copy_n(bytes->begin(), std::min(bytes->size(), header.size()), header.begin());
    return Packet{vsock::decode(header),
                  Payload(bytes->begin() + static_cast<std::ptrdiff_t>(header.size()), bytes->end())};
  }
  [[nodiscard]] std::vector<Packet> receive_all() {
    std::vector<Packet> packets;
    while (auto packet = receive()) packets.push_back(*packet);
    return packets;
  }

  [[nodiscard]] base::PartitionId port() const { return port_; }
  [[nodiscard]] std::uint64_t cid() const { return cid_; }
  [[nodiscard]] Ram& ram() { return ram_; }
  [[nodiscard]] Ring& receive_ring() { return receive_; }
  [[nodiscard]] Ring& transmit_ring() { return transmit_; }

 private:
  base::PartitionId port_;
  std::uint64_t cid_;
  Ram ram_;
  Ring receive_;
  Ring transmit_;
  virtio::Queue receive_queue_{};
  virtio::Queue transmit_queue_{};
};

}  // namespace vsock_test
