// How far driver and device have come with each other: features, status, interrupt causes (Virtual I/O Device 1.2,
// sections 2.1, 2.2 and 3.1). Nothing here depends on a transport's registers.
#pragma once

#include <cstdint>

namespace virtio {

inline constexpr std::uint64_t kFeatureVersion1 = std::uint64_t{1} << 32;  // VIRTIO_F_VERSION_1: no other is spoken

namespace status {  // section 2.1
inline constexpr std::uint8_t kAcknowledge = 1;
inline constexpr std::uint8_t kDriver = 2;
inline constexpr std::uint8_t kDriverOk = 4;
inline constexpr std::uint8_t kFeaturesOk = 8;
inline constexpr std::uint8_t kNeedsReset = 64;
inline constexpr std::uint8_t kFailed = 128;
}  // namespace status

namespace interrupt {  // as in the transports' interrupt status
inline constexpr std::uint8_t kUsedBuffer = 1;
inline constexpr std::uint8_t kConfigChange = 2;
}  // namespace interrupt

class DeviceState {
 public:
  enum class Change : std::uint8_t { kNone, kReset, kDriverOk };

  // A fresh device; VERSION_1 is always offered.
  void reset(std::uint64_t offered);
  // Bits only ever come on; 0 takes all back, and the caller then resets the queues. FEATURES_OK comes on when the
  // accepted features are offered ones with VERSION_1, DRIVER_OK when FEATURES_OK is on. kDriverOk: it came on by this
  // write.
  [[nodiscard]] Change write_status(std::uint8_t value);
  // One word (0: bits 0..31, 1: bits 32..63) of what the driver accepts. Ignored for other words and after FEATURES_OK.
  void accept(std::uint32_t word, std::uint32_t bits);
  [[nodiscard]] std::uint32_t offered(std::uint32_t word) const;  // 0 for words that there are not
  // The features that are in force: none before FEATURES_OK.
  [[nodiscard]] std::uint64_t features() const { return (status_ & status::kFeaturesOk) != 0 ? accepted_ : 0; }

  // The device may use its queues: after DRIVER_OK, as long as it is whole.
  [[nodiscard]] bool live() const { return (status_ & (status::kDriverOk | status::kNeedsReset)) == status::kDriverOk; }
  [[nodiscard]] bool needs_reset() const { return (status_ & status::kNeedsReset) != 0; }
  // From now on DEVICE_NEEDS_RESET; a driver that is up is told by a configuration change (2.1.2).
  void fail();
  // Ignored unless live().
  void raise(std::uint8_t causes);
  void acknowledge(std::uint8_t causes) { interrupt_ &= static_cast<std::uint8_t>(~causes); }

  [[nodiscard]] std::uint8_t status() const { return status_; }
  [[nodiscard]] std::uint8_t interrupt_causes() const { return interrupt_; }

 private:
  std::uint64_t offered_{};
  std::uint64_t accepted_{};
  std::uint8_t status_{};
  std::uint8_t interrupt_{};
};

}  // namespace virtio
