// One virtio device behind memory-mapped registers: virtio-mmio version 2 (Virtual I/O Device 1.2, section 4.2.2). The
// legacy interface (version 1) is not there.
//
// Pure: it touches no guest memory; the rings are reached through queue(). Callers hold the lock of what they keep
// here. Zero bytes are a device that is not there: DeviceID 0, which drivers pass over (4.2.2.1).
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"
#include "firmware/virtio/device_state.hpp"
#include "firmware/virtio/queue.hpp"

namespace virtio {

inline constexpr std::size_t kMaxQueues = 3;
inline constexpr std::size_t kMaxConfigBytes = 32;

struct DeviceDescription {
  std::uint32_t device_id;   // 1.. (section 5)
  std::uint64_t features;    // beside VERSION_1, which is always offered
  std::uint8_t queues;       // 1..kMaxQueues
  std::uint16_t queue_size;  // largest size of each: a power of two, at most kMaxQueueSize
  base::Bytes config;  // the device's own configuration space, at most kMaxConfigBytes; copied. Drivers only read it
};

// What a write asks of the device behind the registers.
struct MmioEvent {
  enum class Kind : std::uint8_t {
    kNone,
    kNotify,    // there may be new chains in `queue`, which is ready
    kDriverOk,  // the device is live now: there may be chains in every queue that is ready
    kReset,     // the device was reset: whatever was popped is forgotten
  };
  Kind kind{};
  std::uint8_t queue{};
  bool line_changed{};  // interrupt_line() is another than before
  bool line_stays{};    // causes are left after an acknowledgement: an edge-triggered line must rise anew for them
};

class MmioDevice {
 public:
  static constexpr std::uint64_t kSize = 0x1000;        // bytes of registers
  static constexpr std::uint64_t kConfigSpace = 0x100;  // offset of the configuration space

  // A fresh device of this kind. Errors: kInvalidArgument (the description breaks its bounds; nothing changed).
  [[nodiscard]] base::Status reset(const DeviceDescription& description);

  // `size` in bytes, `offset` in kSize. Registers that are not there read as zero and ignore writes; so does everything
  // behind the configuration's end. Errors: kInvalidArgument (not aligned; size not 4 for registers, not 1, 2, 4 or 8
  // in the configuration space; out of kSize): for the caller to report as an external abort.
  [[nodiscard]] base::Result<std::uint64_t> read(std::uint64_t offset, std::uint32_t size) const;
  [[nodiscard]] base::Result<MmioEvent> write(std::uint64_t offset, std::uint32_t size, std::uint64_t value);

  // The level of the device's interrupt.
  [[nodiscard]] bool interrupt_line() const { return state_.interrupt_causes() != 0; }
  // Something was pushed and the driver wants to know (Queue::wants_interrupt). Ignored unless the device is live.
  void raise_used() { state_.raise(interrupt::kUsedBuffer); }
  // A ring broke the specification: DEVICE_NEEDS_RESET, and no queue is ready until the driver has reset the device.
  void fail();

  [[nodiscard]] Queue& queue(std::size_t index) { return queues_[index].queue; }  // precondition: index < kMaxQueues
  [[nodiscard]] const Queue& queue(std::size_t index) const { return queues_[index].queue; }
  [[nodiscard]] std::size_t queues() const { return queue_count_; }
  // DRIVER_OK and whole: only then are queues to be used.
  [[nodiscard]] bool live() const { return state_.live(); }
  [[nodiscard]] const DeviceState& state() const { return state_; }

 private:
  struct Slot {
    Queue queue{};
    std::uint32_t size{};  // what follows is what the driver wrote, until QueueReady takes it
    std::uint64_t descriptors{};
    std::uint64_t available{};
    std::uint64_t used{};
  };

  void reset_queues();
  void write_queue(Slot& slot, std::uint64_t offset, std::uint32_t value);
  void set_ready(Slot& slot, bool ready);
  [[nodiscard]] std::uint32_t read_register(std::uint64_t offset) const;

  DeviceState state_{};
  std::array<Slot, kMaxQueues> queues_{};
  std::array<std::uint8_t, kMaxConfigBytes> config_{};
  std::uint32_t device_id_{};
  std::uint32_t device_features_select_{};
  std::uint32_t driver_features_select_{};
  std::uint32_t queue_select_{};
  std::uint16_t queue_size_{};
  std::uint8_t config_size_{};
  std::uint8_t queue_count_{};
};

}  // namespace virtio
