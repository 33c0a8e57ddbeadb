#include "firmware/virtio/device_state.hpp"

namespace virtio {

void DeviceState::reset(std::uint64_t offered) {
  *this = DeviceState{};
  offered_ = offered | kFeatureVersion1;
}

DeviceState::Change DeviceState::write_status(std::uint8_t value) {
  if (value == 0) {
    reset(offered_);
    return Change::kReset;
  }
  const std::uint8_t before = status_;
  status_ |= value & (status::kAcknowledge | status::kDriver | status::kFailed);
  const bool acceptable = (accepted_ & ~offered_) == 0 && (accepted_ & kFeatureVersion1) != 0;
  if ((value & status::kFeaturesOk) != 0 && acceptable) status_ |= status::kFeaturesOk;
  if ((value & status::kDriverOk) != 0 && (status_ & status::kFeaturesOk) != 0) status_ |= status::kDriverOk;
  return ((status_ & ~before) & status::kDriverOk) != 0 ? Change::kDriverOk : Change::kNone;
}

void DeviceState::accept(std::uint32_t word, std::uint32_t bits) {
  if (word > 1 || (status_ & status::kFeaturesOk) != 0) return;
  const std::uint32_t shift = 32 * word;
  accepted_ = (accepted_ & ~(std::uint64_t{0xffff'ffff} << shift)) | (std::uint64_t{bits} << shift);
}

std::uint32_t DeviceState::offered(std::uint32_t word) const {
  return word > 1 ? 0 : static_cast<std::uint32_t>(offered_ >> (32 * word));
}

void DeviceState::fail() {
  if (live()) raise(interrupt::kConfigChange);
  status_ |= status::kNeedsReset;
}

void DeviceState::raise(std::uint8_t causes) {
  if (live()) interrupt_ |= causes;
}

}  // namespace virtio
