#include "firmware/virtio/mmio_transport.hpp"

#include <algorithm>

namespace virtio {

namespace {

// Virtual I/O Device 1.2, table 4.1.
constexpr std::uint64_t kMagicValue = 0x000;
constexpr std::uint64_t kVersion = 0x004;
constexpr std::uint64_t kDeviceId = 0x008;
constexpr std::uint64_t kVendorId = 0x00c;
constexpr std::uint64_t kDeviceFeatures = 0x010;
constexpr std::uint64_t kDeviceFeaturesSelect = 0x014;
constexpr std::uint64_t kDriverFeatures = 0x020;
constexpr std::uint64_t kDriverFeaturesSelect = 0x024;
constexpr std::uint64_t kQueueSelect = 0x030;
constexpr std::uint64_t kQueueNumMax = 0x034;
constexpr std::uint64_t kQueueNum = 0x038;
constexpr std::uint64_t kQueueReady = 0x044;
constexpr std::uint64_t kQueueNotify = 0x050;
constexpr std::uint64_t kInterruptStatus = 0x060;
constexpr std::uint64_t kInterruptAcknowledge = 0x064;
constexpr std::uint64_t kStatus = 0x070;
constexpr std::uint64_t kQueueDescriptorsLow = 0x080;
constexpr std::uint64_t kQueueDescriptorsHigh = 0x084;
constexpr std::uint64_t kQueueDriverLow = 0x090;
constexpr std::uint64_t kQueueDriverHigh = 0x094;
constexpr std::uint64_t kQueueDeviceLow = 0x0a0;
constexpr std::uint64_t kQueueDeviceHigh = 0x0a4;
constexpr std::uint64_t kSharedMemoryLengthLow = 0x0b0;
constexpr std::uint64_t kSharedMemoryBaseHigh = 0x0bc;

constexpr std::uint32_t kMagic = 0x7472'6976;   // "virt"
constexpr std::uint32_t kVendor = 0x4d41'4443;  // "CDAM": drivers do not choose by it
constexpr std::uint32_t kNoSharedMemory = 0xffff'ffff;

[[nodiscard]] bool is_allowed(std::uint64_t offset, std::uint32_t size) {
  if (offset >= MmioDevice::kSize) return false;
  if (offset < MmioDevice::kConfigSpace) return size == 4 && offset % 4 == 0;
  return (size == 1 || size == 2 || size == 4 || size == 8) && offset % size == 0;
}

void set_low(std::uint64_t& whole, std::uint32_t half) { whole = (whole & ~std::uint64_t{0xffff'ffff}) | half; }
void set_high(std::uint64_t& whole, std::uint32_t half) {
  whole = (whole & std::uint64_t{0xffff'ffff}) | (std::uint64_t{half} << 32);
}

}  // namespace

base::Status MmioDevice::reset(const DeviceDescription& description) {
  const std::uint16_t size = description.queue_size;
  if (description.device_id == 0 || description.queues == 0 || description.queues > kMaxQueues || size == 0 ||
      size > kMaxQueueSize || (size & (size - 1)) != 0 || description.config.size() > kMaxConfigBytes) {
    return base::Error::kInvalidArgument;
  }
  state_.reset(description.features);
  reset_queues();
  config_ = {};
  std::copy(description.config.begin(), description.config.end(), config_.begin());
  config_size_ = static_cast<std::uint8_t>(description.config.size());
  device_id_ = description.device_id;
  queue_count_ = description.queues;
  queue_size_ = size;
  return {};
}

void MmioDevice::reset_queues() {
  for (Slot& slot : queues_) {
    slot.queue.reset();  // it counts its generations: the slot is not simply written over
    slot.size = 0;
    slot.descriptors = slot.available = slot.used = 0;
  }
  device_features_select_ = driver_features_select_ = queue_select_ = 0;
}

void MmioDevice::fail() {
  state_.fail();
  for (Slot& slot : queues_) slot.queue.reset();
}

base::Result<std::uint64_t> MmioDevice::read(std::uint64_t offset, std::uint32_t size) const {
  if (!is_allowed(offset, size)) return base::Error::kInvalidArgument;
  if (offset < kConfigSpace) return std::uint64_t{read_register(offset)};
  std::uint64_t value = 0;
  for (std::uint32_t i = 0; i < size; ++i) {
    const std::uint64_t index = offset - kConfigSpace + i;
    if (index < config_size_) value |= std::uint64_t{config_[index]} << (8 * i);
  }
  return value;
}

std::uint32_t MmioDevice::read_register(std::uint64_t offset) const {
  const bool selected = queue_select_ < queue_count_;
  if (offset >= kSharedMemoryLengthLow && offset <= kSharedMemoryBaseHigh) return kNoSharedMemory;
  switch (offset) {
    case kMagicValue:
      return kMagic;
    case kVersion:
      return 2;
    case kDeviceId:
      return device_id_;
    case kVendorId:
      return kVendor;
    case kDeviceFeatures:
      return state_.offered(device_features_select_);
    case kQueueNumMax:
      return selected ? queue_size_ : 0U;
    case kQueueReady:
      return selected && queues_[queue_select_].queue.ready() ? 1U : 0U;
    case kInterruptStatus:
      return state_.interrupt_causes();
    case kStatus:
      return state_.status();
    default:
      return 0;  // ConfigGeneration too: the configuration space never changes under a driver
  }
}

base::Result<MmioEvent> MmioDevice::write(std::uint64_t offset, std::uint32_t size, std::uint64_t value) {
  if (!is_allowed(offset, size)) return base::Error::kInvalidArgument;
  MmioEvent event;
  if (offset >= kConfigSpace || device_id_ == 0) return event;
  const auto word = static_cast<std::uint32_t>(value);
  const bool line = interrupt_line();
  switch (offset) {
    case kDeviceFeaturesSelect:
      device_features_select_ = word;
      break;
    case kDriverFeaturesSelect:
      driver_features_select_ = word;
      break;
    case kDriverFeatures:
      state_.accept(driver_features_select_, word);
      break;
    case kQueueSelect:
      queue_select_ = word;
      break;
    case kQueueNotify:
      if (word < queue_count_ && state_.live() && queues_[word].queue.ready()) {
        event.kind = MmioEvent::Kind::kNotify;
        event.queue = static_cast<std::uint8_t>(word);
      }
      break;
    case kInterruptAcknowledge:
      state_.acknowledge(static_cast<std::uint8_t>(word));
      event.line_stays = interrupt_line();
      break;
    case kStatus:
      switch (state_.write_status(static_cast<std::uint8_t>(word))) {
        case DeviceState::Change::kNone:
          break;
        case DeviceState::Change::kDriverOk:
          event.kind = MmioEvent::Kind::kDriverOk;
          break;
        case DeviceState::Change::kReset:
          reset_queues();
          event.kind = MmioEvent::Kind::kReset;
          break;
      }
      break;
    default:
      if (queue_select_ < queue_count_) write_queue(queues_[queue_select_], offset, word);
      break;
  }
  event.line_changed = interrupt_line() != line;
  return event;
}

void MmioDevice::write_queue(Slot& slot, std::uint64_t offset, std::uint32_t value) {
  switch (offset) {
    case kQueueNum:
      slot.size = value;
      break;
    case kQueueReady:
      set_ready(slot, (value & 1) != 0);
      break;
    case kQueueDescriptorsLow:
      set_low(slot.descriptors, value);
      break;
    case kQueueDescriptorsHigh:
      set_high(slot.descriptors, value);
      break;
    case kQueueDriverLow:
      set_low(slot.available, value);
      break;
    case kQueueDriverHigh:
      set_high(slot.available, value);
      break;
    case kQueueDeviceLow:
      set_low(slot.used, value);
      break;
    case kQueueDeviceHigh:
      set_high(slot.used, value);
      break;
    default:
      break;
  }
}

void MmioDevice::set_ready(Slot& slot, bool ready) {
  if (!ready) {
    slot.queue.reset();
    return;
  }
  // While a queue is ready its layout stands (4.2.2.2): it is left as it is until the driver takes it back.
  if (slot.queue.ready() || state_.needs_reset() || slot.size > queue_size_) return;
  const Queue::Layout layout{static_cast<std::uint16_t>(slot.size), base::Ipa{slot.descriptors},
                             base::Ipa{slot.available}, base::Ipa{slot.used}};
  // A refusal leaves QueueReady 0, which is where a driver sees it.
  static_cast<void>(slot.queue.configure(layout));
}

}  // namespace virtio
