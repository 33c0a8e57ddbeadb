// The Nitro Enclaves device: whatever a parent writes and whenever commands end, one command runs at a time, it is what
// lay in SEND_DATA, and every reply that was promised is counted once.
#include <array>
#include <optional>

#include "firmware/nitro/command_device.hpp"
#include "tests/fuzz/demand.hpp"
#include "tests/fuzz/device_steps.hpp"

namespace {

using nitro::CommandDevice;
constexpr std::uint64_t kSend = 0x10, kReceive = 0x100;

class Driver {
 public:
  void perform(const device_steps::Step& step) {
    switch (step.action % 8) {
      case 0:
        write(step.offset, step.size, step.value);
        break;
      case 1:
        write(kSend + step.offset % nitro::kDataSize, step.size, step.value);
        break;
      case 2:
        write(4, 4, step.value % 16);
        break;
      case 3:
        write(0, 1, step.value % 3);
        break;
      case 4:
        write(2, 2, step.value % 3);
        break;
      case 5:
        take();
        break;
      case 6:
        complete(step.value);
        break;
      case 7:
        if (device_.event()) {
          DEMAND(enabled());
          ++events_;
        } else {
          DEMAND(!enabled());
        }
        break;
    }
    DEMAND(device_.read(0xc, 4) == (std::uint32_t{replies_} | std::uint32_t{events_} << 16));
    DEMAND(device_.read(0, 1) <= 1 && device_.read(2, 2) <= 1 && device_.read(4, 4) == 0);
    for (std::uint64_t at = nitro::kReplySize; at < nitro::kDataSize; at += 8)
      DEMAND(device_.read(kReceive + at, 8) == 0);
  }

 private:
  [[nodiscard]] bool enabled() const { return device_.read(0, 1) == 1; }

  void write(std::uint64_t offset, std::uint32_t size, std::uint64_t value) {
    const bool resets = offset == 0 && size == 1 && (value & 0xFF) == 0;
    const bool ready = enabled() && device_.read(2, 2) == 1;
    const bool free = !waiting_ && !(running_ && wanted_);
    const auto outcome = device_.write(offset, size, value);
    if (resets) {
      waiting_.reset();
      wanted_ = false;
      replies_ = events_ = 0;
      DEMAND(!enabled());
    }
    const bool command = offset == 4 && size == 4;
    switch (outcome) {
      case CommandDevice::Outcome::kNothing:
        DEMAND(!command || !ready || !free);
        break;
      case CommandDevice::Outcome::kRequest:
        DEMAND(command && ready && free);
        waiting_ = expected(static_cast<std::uint32_t>(value));
        break;
      case CommandDevice::Outcome::kReply: {
        const auto number = static_cast<std::uint32_t>(value);
        DEMAND(command && ready && free && (number == 0 || number > 11));
        ++replies_;
        break;
      }
    }
    const bool aligned = (size == 1 || size == 2 || size == 4 || size == 8) && offset % size == 0;
    if (aligned && offset >= kSend && offset < kSend + nitro::kDataSize) {
      const std::uint64_t mask = size == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * size)) - 1;
      DEMAND(device_.read(offset, size) == (value & mask));
    }
  }
  [[nodiscard]] nitro::Request expected(std::uint32_t command) const {
    std::array<std::uint8_t, nitro::kDataSize> data{};
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(device_.read(kSend + i, 1));
    const auto request = nitro::decode_request(command, data);
    DEMAND(request.ok());
    return *request;
  }
  void take() {
    const auto request = device_.take_request();
    DEMAND(request.has_value() == (waiting_.has_value() && !running_));
    if (!request) return;
    DEMAND(*request == *waiting_);
    waiting_.reset();
    running_ = wanted_ = true;
  }
  void complete(std::uint64_t value) {
    const std::uint64_t before = device_.read(kReceive + 8, 8);
    const bool told = device_.complete({.slot_uid = value});
    DEMAND(told == (running_ && wanted_));
    DEMAND(device_.read(kReceive + 8, 8) == (told ? value : before));
    if (told) ++replies_;
    running_ = wanted_ = false;
  }

  CommandDevice device_;
  std::optional<nitro::Request> waiting_;
  bool running_{};
  bool wanted_{};  // nobody has reset the device since the command was taken
  std::uint16_t replies_{};
  std::uint16_t events_{};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Driver driver;
  device_steps::each(data, size, [&](const device_steps::Step& step) { driver.perform(step); });
  return 0;
}
