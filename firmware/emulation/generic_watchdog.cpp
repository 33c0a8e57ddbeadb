#include "firmware/emulation/generic_watchdog.hpp"

#include <limits>

namespace emulation {

namespace {

// DEN 0094, the generic watchdog's register summary. WCS, WOR and WCV are the control frame's, WRR the refresh frame's.
constexpr std::uint64_t kRefreshRegister = 0x000;
constexpr std::uint64_t kControlStatus = 0x000;
constexpr std::uint64_t kPeriodLow = 0x008;
constexpr std::uint64_t kPeriodHigh = 0x00c;
constexpr std::uint64_t kCompareLow = 0x010;
constexpr std::uint64_t kCompareHigh = 0x014;
constexpr std::uint64_t kIdentification = 0xfcc;
constexpr std::uint32_t kIdentificationValue = 1U << 16;  // architecture revision 1: WOR has 48 bits; no implementer
constexpr std::uint32_t kEnable = 1U << 0;
constexpr std::uint32_t kFirstSignal = 1U << 1;
constexpr std::uint32_t kSecondSignal = 1U << 2;
constexpr std::uint64_t kLowWord = 0xFFFF'FFFF;

[[nodiscard]] bool is_word(std::uint64_t offset, std::uint32_t size) {
  return size == 4 && offset % 4 == 0 && offset < GenericWatchdog::kSize;
}
[[nodiscard]] std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
[[nodiscard]] std::uint32_t high(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }

[[nodiscard]] std::uint64_t later(std::uint64_t now, std::uint64_t ticks) {
  constexpr std::uint64_t kEver = std::numeric_limits<std::uint64_t>::max();
  return ticks > kEver - now ? kEver : now + ticks;
}

}  // namespace

base::Result<std::uint32_t> GenericWatchdog::read(Frame frame, std::uint64_t offset, std::uint32_t size) const {
  if (!is_word(offset, size)) return base::Error::kInvalidArgument;
  if (offset == kIdentification) return kIdentificationValue;
  if (frame == Frame::kRefresh) return 0U;  // WRR reads as zero
  switch (offset) {
    case kControlStatus:
      return (enabled_ ? kEnable : 0) | (interrupted_ ? kFirstSignal : 0) | (ended_ ? kSecondSignal : 0);
    case kPeriodLow: return low(period_);
    case kPeriodHigh: return high(period_);
    case kCompareLow: return low(compare_);
    case kCompareHigh: return high(compare_);
    default: return 0U;
  }
}

// An explicit refresh (DEN 0094: a write to WRR, WOR or WCS): the time begins again, and both signals fall.
void GenericWatchdog::refresh(std::uint64_t now) {
  compare_ = later(now, period_);
  interrupted_ = false;
  ended_ = false;
}

void GenericWatchdog::write_control(std::uint64_t offset, std::uint32_t value, std::uint64_t now) {
  switch (offset) {
    case kControlStatus:
      enabled_ = (value & kEnable) != 0;
      return refresh(now);
    case kPeriodLow:
      period_ = (period_ & ~kLowWord) | value;
      return refresh(now);
    case kPeriodHigh:
      period_ = (period_ & kLowWord) | std::uint64_t{value & 0xFFFF} << 32;
      return refresh(now);
    case kCompareLow: compare_ = (compare_ & ~kLowWord) | value; return;
    case kCompareHigh: compare_ = (compare_ & kLowWord) | std::uint64_t{value} << 32; return;
    default: return;
  }
}

base::Status GenericWatchdog::write(Frame frame, std::uint64_t offset, std::uint32_t size, std::uint32_t value,
                                    std::uint64_t now) {
  if (!is_word(offset, size)) return base::Error::kInvalidArgument;
  if (frame == Frame::kControl) {
    write_control(offset, value, now);
  } else if (offset == kRefreshRegister) {
    refresh(now);  // whatever the value
  }
  return {};
}

std::optional<std::uint64_t> GenericWatchdog::deadline() const {
  // The time is out when the counter is greater than WCV.
  if (!enabled_ || ended_ || compare_ == std::numeric_limits<std::uint64_t>::max()) return std::nullopt;
  return compare_ + 1;
}

GenericWatchdog::Step GenericWatchdog::expire(std::uint64_t now) {
  const auto due = deadline();
  if (!due || now < *due) return Step::kNone;
  if (interrupted_) {
    ended_ = true;
    return Step::kReset;
  }
  interrupted_ = true;
  compare_ = later(now, period_);
  return Step::kInterrupt;
}

}  // namespace emulation
