#include "tests/scenario/virtio_driver.hpp"

#include "hal/registers/gicv3.hpp"

namespace scenario {
namespace {

constexpr std::uint32_t kAcknowledge = 1, kDriver = 2, kDriverOk = 4, kFeaturesOk = 8;
constexpr std::uint16_t kChained = 1, kWritable = 2;  // flags of a descriptor

template <typename T>
void put(GuestCpu cpu, std::uint64_t at, T value) {
  std::array<std::uint8_t, sizeof(T)> bytes{};
  for (std::size_t i = 0; i < sizeof(T); ++i) bytes[i] = static_cast<std::uint8_t>(std::uint64_t{value} >> (8 * i));
  cpu.write(Ipa{at}, bytes);
}

template <typename T>
T take(GuestCpu cpu, std::uint64_t at) {
  std::array<std::uint8_t, sizeof(T)> bytes{};
  cpu.read(Ipa{at}, bytes);
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value |= std::uint64_t{bytes[i]} << (8 * i);
  return static_cast<T>(value);
}

}  // namespace

void enable_spi(GuestCpu cpu, base::Intid intid) {
  namespace distributor = hal::registers::gicv3::distributor;
  const Ipa base{board::kBoard.gic_distributor};
  const auto bank = [&](std::uint64_t offset) { return Ipa{base.value + offset + intid.value / 32 * 4}; };
  const std::uint32_t bit = 1U << (intid.value % 32);
  cpu.write_register(bank(distributor::kGroup), 4, cpu.read_register(bank(distributor::kGroup), 4) | bit);
  cpu.write_register(bank(distributor::kSetEnable), 4, bit);
  cpu.write_register(Ipa{base.value + distributor::kControl}, 4, distributor::kEnableGroup1);
}

VirtioDriver::VirtioDriver(std::uint64_t registers, std::uint64_t memory, std::size_t queues, std::uint16_t size)
    : registers_(registers), queues_(queues) {
  for (std::size_t i = 0; i < queues; ++i) {
    const std::uint64_t at = memory + i * kRingSpace;
    queues_[i].ring = {.size = size, .descriptors = at, .available = at + 0x1000, .used = at + 0x2000};
  }
}

bool VirtioDriver::start(GuestCpu cpu) {
  set(cpu, mmio::kStatus, 0);
  set(cpu, mmio::kStatus, kAcknowledge);
  set(cpu, mmio::kStatus, kAcknowledge | kDriver);
  set(cpu, mmio::kDriverFeaturesSelect, 0);
  set(cpu, mmio::kDriverFeatures, 0);
  set(cpu, mmio::kDriverFeaturesSelect, 1);
  set(cpu, mmio::kDriverFeatures, 1);  // VIRTIO_F_VERSION_1 is bit 32
  set(cpu, mmio::kStatus, kAcknowledge | kDriver | kFeaturesOk);
  if ((get(cpu, mmio::kStatus) & kFeaturesOk) == 0) return false;
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    Queue& queue = queues_[i];
    queue = {.ring = queue.ring};
    for (const std::uint64_t at : {queue.ring.available, queue.ring.used}) {
      try {
        cpu.write(Ipa{at}, Bytes(0x1000, 0));
      } catch (const host::GuestException&) {  // a test has put a ring where nothing is: that is its experiment
      }
    }
    set(cpu, mmio::kQueueSelect, static_cast<std::uint32_t>(i));
    if (get(cpu, mmio::kQueueMax) < queue.ring.size) return false;
    set(cpu, mmio::kQueueSize, queue.ring.size);
    for (const auto& [offset, value] :
         {std::pair{mmio::kDescriptors, queue.ring.descriptors}, std::pair{mmio::kAvailable, queue.ring.available},
          std::pair{mmio::kUsed, queue.ring.used}}) {
      set(cpu, offset, static_cast<std::uint32_t>(value));
      set(cpu, offset + 4, static_cast<std::uint32_t>(value >> 32));
    }
    set(cpu, mmio::kQueueReady, 1);
    if (get(cpu, mmio::kQueueReady) != 1) return false;
  }
  set(cpu, mmio::kStatus, kAcknowledge | kDriver | kFeaturesOk | kDriverOk);
  return (get(cpu, mmio::kStatus) & kDriverOk) != 0;
}

std::uint16_t VirtioDriver::add(GuestCpu cpu, std::size_t index, const std::vector<Buffer>& chain) {
  Queue& queue = queues_[index];
  const auto slot = [&](std::size_t i) { return static_cast<std::uint16_t>((queue.next + i) % queue.ring.size); };
  const std::uint16_t head = slot(0);
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const std::uint64_t at = queue.ring.descriptors + 16 * slot(i);
    const bool last = i + 1 == chain.size();
    put(cpu, at, chain[i].address);
    put(cpu, at + 8, chain[i].size);
    put(cpu, at + 12, static_cast<std::uint16_t>((chain[i].writable ? kWritable : 0) | (last ? 0 : kChained)));
    put(cpu, at + 14, slot(i + 1));
  }
  queue.next = slot(chain.size());
  put(cpu, queue.ring.available + 4 + 2 * (queue.available % queue.ring.size), head);
  put(cpu, queue.ring.available + 2, ++queue.available);
  return head;
}

std::optional<Used> VirtioDriver::take_used(GuestCpu cpu, std::size_t index) {
  Queue& queue = queues_[index];
  if (take<std::uint16_t>(cpu, queue.ring.used + 2) == queue.seen) return std::nullopt;
  const std::uint64_t at = queue.ring.used + 4 + 8 * (queue.seen % queue.ring.size);
  ++queue.seen;
  return Used{static_cast<std::uint16_t>(take<std::uint32_t>(cpu, at)), take<std::uint32_t>(cpu, at + 4)};
}

std::uint32_t VirtioDriver::acknowledge(GuestCpu cpu) {
  const std::uint32_t causes = get(cpu, mmio::kInterruptStatus);
  set(cpu, mmio::kInterruptAck, causes);
  return causes;
}

}  // namespace scenario
