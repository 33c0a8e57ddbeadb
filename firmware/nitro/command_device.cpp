#include "firmware/nitro/command_device.hpp"

namespace nitro {

namespace {

constexpr std::uint64_t kEnable = 0x000;
constexpr std::uint64_t kVersion = 0x002;
constexpr std::uint64_t kCommand = 0x004;
constexpr std::uint64_t kEventCount = 0x00c;
constexpr std::uint64_t kSendData = 0x010;
constexpr std::uint64_t kReceiveData = 0x100;
constexpr std::uint16_t kSupportedVersion = 1;

[[nodiscard]] bool is_access(std::uint64_t offset, std::uint32_t size) {
  const bool width = size == 1 || size == 2 || size == 4 || size == 8;
  return width && offset % size == 0 && offset < CommandDevice::kBarSize;
}

[[nodiscard]] bool within(std::uint64_t offset, std::uint64_t start, std::uint64_t size) {
  return offset >= start && offset - start < size;
}

[[nodiscard]] std::uint8_t byte_of(std::uint64_t value, std::uint64_t index) {
  return static_cast<std::uint8_t>(value >> (8 * index));
}

}  // namespace

std::uint8_t CommandDevice::byte_at(std::uint64_t offset) const {
  if (within(offset, kSendData, kDataSize)) return send_[offset - kSendData];
  if (within(offset, kReceiveData, kDataSize)) return receive_[offset - kReceiveData];
  if (offset == kEnable) return enabled_ ? 1 : 0;
  if (within(offset, kVersion, 2)) return byte_of(version_, offset - kVersion);
  if (within(offset, kEventCount, 4)) {
    return byte_of(std::uint32_t{replies_} | std::uint32_t{events_} << 16, offset - kEventCount);
  }
  return 0;
}

std::uint64_t CommandDevice::read(std::uint64_t offset, std::uint32_t size) const {
  if (!is_access(offset, size)) return ~std::uint64_t{0};
  std::uint64_t value = 0;
  for (std::uint32_t i = 0; i < size; ++i) value |= std::uint64_t{byte_at(offset + i)} << (8 * i);
  return value;
}

CommandDevice::Outcome CommandDevice::write(std::uint64_t offset, std::uint32_t size, std::uint64_t value) {
  if (!is_access(offset, size)) return Outcome::kNothing;
  // Aligned, and the window begins and ends at multiples of 8: an access lies inside whole or not at all.
  static_assert(kSendData % 8 == 0 && kDataSize % 8 == 0);
  if (within(offset, kSendData, kDataSize)) {
    for (std::uint32_t i = 0; i < size; ++i) send_[offset - kSendData + i] = byte_of(value, i);
    return Outcome::kNothing;
  }
  if (offset == kEnable && size == 1) {
    const auto wanted = static_cast<std::uint8_t>(value);
    if (wanted == 0) reset();
    if (wanted == 1) enabled_ = true;
  } else if (offset == kVersion && size == 2) {
    version_ = static_cast<std::uint16_t>(value) == kSupportedVersion ? kSupportedVersion : 0;
  } else if (offset == kCommand && size == 4) {
    return command(static_cast<std::uint32_t>(value));
  }
  return Outcome::kNothing;
}

CommandDevice::Outcome CommandDevice::command(std::uint32_t number) {
  if (!enabled_ || version_ != kSupportedVersion) return Outcome::kNothing;
  if (waiting_ || executor_ == Executor::kWorking) return Outcome::kNothing;
  const auto request = decode_request(number, send_);
  if (!request) {
    publish(Reply{.rc = ReturnCode::kInvalid});
    return Outcome::kReply;
  }
  request_ = *request;
  waiting_ = true;
  return Outcome::kRequest;
}

std::optional<Request> CommandDevice::take_request() {
  if (!waiting_ || executor_ != Executor::kIdle) return std::nullopt;
  waiting_ = false;
  executor_ = Executor::kWorking;
  return request_;
}

bool CommandDevice::complete(const Reply& reply) {
  const Executor before = executor_;
  executor_ = Executor::kIdle;
  if (before != Executor::kWorking) return false;
  publish(reply);
  return true;
}

bool CommandDevice::event() {
  if (!enabled_) return false;
  ++events_;
  return true;
}

void CommandDevice::publish(const Reply& reply) {
  receive_ = {};
  const auto bytes = encode_reply(reply);
  for (std::size_t i = 0; i < bytes.size(); ++i) receive_[i] = bytes[i];
  ++replies_;
}

// What a command that was taken does to the machine goes on; nobody hears of its end.
void CommandDevice::reset() {
  const bool works = executor_ != Executor::kIdle;
  *this = CommandDevice{};
  if (works) executor_ = Executor::kWorkingForNobody;
}

}  // namespace nitro
