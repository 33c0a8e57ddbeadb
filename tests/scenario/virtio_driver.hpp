// A guest's driver for one virtio-mmio device, written from the specification and sharing nothing with the device
// (Virtual I/O Device 1.2: 2.7 split virtqueues, 3.1.1 initialization, 4.2 memory-mapped registers).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "tests/scenario/whole_machine.hpp"

namespace scenario {

// Lets an SPI of the guest's virtual interrupt controller come to the guest's first core.
void enable_spi(GuestCpu cpu, base::Intid intid);

namespace mmio {  // offsets of registers
inline constexpr std::uint64_t kMagic = 0x000, kVersion = 0x004, kDevice = 0x008, kFeatures = 0x010,
                               kFeaturesSelect = 0x014, kDriverFeatures = 0x020, kDriverFeaturesSelect = 0x024,
                               kQueueSelect = 0x030, kQueueMax = 0x034, kQueueSize = 0x038, kQueueReady = 0x044,
                               kNotify = 0x050, kInterruptStatus = 0x060, kInterruptAck = 0x064, kStatus = 0x070,
                               kDescriptors = 0x080, kAvailable = 0x090, kUsed = 0x0a0, kConfig = 0x100;
inline constexpr std::uint32_t kNeedsReset = 64;                    // of the status
inline constexpr std::uint32_t kUsedBuffer = 1, kConfigChange = 2;  // of the interrupt status
}  // namespace mmio

struct Buffer {
  std::uint64_t address;  // IPA
  std::uint32_t size;
  bool writable;  // by the device
};

struct Used {
  std::uint16_t head;
  std::uint32_t written;
  bool operator==(const Used&) const = default;
};

// Where one queue lies in the guest's memory. The driver takes 16 KiB for each, unless a test says otherwise.
struct Ring {
  std::uint16_t size{};
  std::uint64_t descriptors{};
  std::uint64_t available{};
  std::uint64_t used{};
};

class VirtioDriver {
 public:
  static constexpr std::uint64_t kRingSpace = 0x4000;

  // `registers`: the device's; `memory`: where the rings are laid, queue after queue.
  VirtioDriver(std::uint64_t registers, std::uint64_t memory, std::size_t queues, std::uint16_t size);

  // Resets the device and brings it up. False: it refused something.
  bool start(GuestCpu cpu);
  void stop(GuestCpu cpu) { set(cpu, mmio::kStatus, 0); }

  // One chain, made available; `next` free descriptors are taken in turn, so at most `size` are in use at a time.
  std::uint16_t add(GuestCpu cpu, std::size_t queue, const std::vector<Buffer>& chain);
  void notify(GuestCpu cpu, std::size_t queue) { set(cpu, mmio::kNotify, static_cast<std::uint32_t>(queue)); }
  // The next entry of the used ring that was not taken yet.
  std::optional<Used> take_used(GuestCpu cpu, std::size_t queue);

  [[nodiscard]] std::uint32_t get(GuestCpu cpu, std::uint64_t offset) const {
    return static_cast<std::uint32_t>(cpu.read_register(Ipa{registers_ + offset}, 4));
  }
  void set(GuestCpu cpu, std::uint64_t offset, std::uint32_t value) const {
    cpu.write_register(Ipa{registers_ + offset}, 4, value);
  }
  [[nodiscard]] bool needs_reset(GuestCpu cpu) const { return (get(cpu, mmio::kStatus) & mmio::kNeedsReset) != 0; }
  // What a handler does: the causes, acknowledged.
  std::uint32_t acknowledge(GuestCpu cpu);

  [[nodiscard]] Ring& ring(std::size_t queue) { return queues_[queue].ring; }

 private:
  struct Queue {
    Ring ring;
    std::uint16_t next{};       // descriptor
    std::uint16_t available{};  // index of the available ring
    std::uint16_t seen{};       // index of the used ring
  };

  std::uint64_t registers_;
  std::vector<Queue> queues_;
};

}  // namespace scenario
