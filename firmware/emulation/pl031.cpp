#include "firmware/emulation/pl031.hpp"

#include <array>

namespace emulation {

namespace {

// Arm DDI 0224, table 3-1.
constexpr std::uint64_t kData = 0x000;
constexpr std::uint64_t kMatch = 0x004;
constexpr std::uint64_t kLoad = 0x008;
constexpr std::uint64_t kControl = 0x00c;
constexpr std::uint64_t kMask = 0x010;
constexpr std::uint64_t kRawStatus = 0x014;
constexpr std::uint64_t kMaskedStatus = 0x018;
constexpr std::uint64_t kClear = 0x01c;
constexpr std::uint64_t kIdentification = 0xfe0;
// RTCPeriphID0..3 and RTCPCellID0..3: part 0x031, designer 0x41, revision 0.
constexpr std::array<std::uint8_t, 8> kIdentificationBytes{0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

[[nodiscard]] bool is_word(std::uint64_t offset, std::uint32_t size) {
  return size == 4 && offset % 4 == 0 && offset < Pl031::kSize;
}

}  // namespace

void Pl031::advance(std::uint32_t guest_second) {
  // Modulo 2^32: the alarm lies in (last_, guest_second]. A real clock that was set back looks like a long time.
  if (seen_) raised_ = raised_ || (match_ != last_ && match_ - last_ <= guest_second - last_);
  seen_ = true;
  last_ = guest_second;
}

base::Result<std::uint32_t> Pl031::read(std::uint64_t offset, std::uint32_t size, std::uint32_t real_second) {
  if (!is_word(offset, size)) return base::Error::kInvalidArgument;
  const std::uint32_t guest_second = real_second + difference_;
  advance(guest_second);
  if (offset >= kIdentification) return kIdentificationBytes[(offset - kIdentification) / 4];
  switch (offset) {
    case kData: return guest_second;
    case kMatch: return match_;
    case kLoad: return loaded_;
    case kControl: return 1U;  // it runs, from the first second on
    case kMask: return unmasked_ ? 1U : 0U;
    case kRawStatus: return raised_ ? 1U : 0U;
    case kMaskedStatus: return raised_ && unmasked_ ? 1U : 0U;
    default: return 0U;
  }
}

base::Status Pl031::write(std::uint64_t offset, std::uint32_t size, std::uint32_t value, std::uint32_t real_second) {
  if (!is_word(offset, size)) return base::Error::kInvalidArgument;
  advance(real_second + difference_);
  switch (offset) {
    case kMatch:
      match_ = value;
      raised_ = raised_ || match_ == last_;
      break;
    case kLoad:
      loaded_ = value;
      difference_ = value - real_second;
      last_ = value;  // the seconds that were jumped over never were
      raised_ = raised_ || match_ == last_;
      break;
    case kMask: unmasked_ = (value & 1) != 0; break;
    case kClear:
      if ((value & 1) != 0) raised_ = false;
      break;
    default: break;  // RTCCR: once started the clock does not stop; the rest is read-only or not there
  }
  return {};
}

}  // namespace emulation
