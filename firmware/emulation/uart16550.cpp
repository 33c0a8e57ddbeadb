#include "firmware/emulation/uart16550.hpp"

namespace emulation {

namespace {

// PC16550D, table II; the first two are the divisor's bytes while LCR.DLAB is set.
constexpr std::uint64_t kData = 0;
constexpr std::uint64_t kInterruptEnable = 1;
constexpr std::uint64_t kInterruptIdentification = 2;  // written: FCR
constexpr std::uint64_t kLineControl = 3;
constexpr std::uint64_t kModemControl = 4;
constexpr std::uint64_t kLineStatus = 5;
constexpr std::uint64_t kModemStatus = 6;
constexpr std::uint64_t kScratch = 7;

constexpr std::uint8_t kTransmitterInterrupt = 0x02;  // in IER
constexpr std::uint8_t kInterruptEnableBits = 0x0f;   // the rest reads as zero: other bits tell later chips apart
constexpr std::uint8_t kNoneIdentified = 0x01;
constexpr std::uint8_t kTransmitterIdentified = 0x02;
constexpr std::uint8_t kFifosIdentified = 0xc0;
constexpr std::uint8_t kFifoEnable = 0x01;       // in FCR
constexpr std::uint8_t kDivisorSelected = 0x80;  // in LCR
constexpr std::uint8_t kModemControlBits = 0x1f;
constexpr std::uint8_t kLoopback = 0x10;
constexpr std::uint8_t kTransmitterEmpty = 0x60;  // LSR: THRE and TEMT
constexpr std::uint8_t kPeerReady = 0xb0;         // MSR: carrier, data set ready, clear to send

[[nodiscard]] bool is_allowed(std::uint64_t offset, std::uint32_t size) {
  return size == 1 && offset < Uart16550::kSize;
}

}  // namespace

bool Uart16550::divisor_selected() const { return (line_control_ & kDivisorSelected) != 0; }

bool Uart16550::interrupt_line() const { return emptied_ && (interrupt_enable_ & kTransmitterInterrupt) != 0; }

std::uint8_t Uart16550::modem_status() const {
  if ((modem_control_ & kLoopback) == 0) return kPeerReady;
  // DTR, RTS, OUT1 and OUT2 come back as DSR, CTS, RI and DCD.
  const unsigned control = modem_control_;
  return static_cast<std::uint8_t>((control & 1) << 5 | (control & 2) << 3 | (control & 4) << 4 | (control & 8) << 4);
}

base::Result<std::uint8_t> Uart16550::read(std::uint64_t offset, std::uint32_t size) {
  if (!is_allowed(offset, size)) return base::Error::kInvalidArgument;
  switch (offset) {
    case kData:
      return static_cast<std::uint8_t>(divisor_selected() ? divisor_ & 0xff : 0);
    case kInterruptEnable:
      return divisor_selected() ? static_cast<std::uint8_t>(divisor_ >> 8) : interrupt_enable_;
    case kInterruptIdentification: {
      std::uint8_t identified = kNoneIdentified;
      if (interrupt_line()) {
        identified = kTransmitterIdentified;
        emptied_ = false;  // reading it as the source is what clears it
      }
      return static_cast<std::uint8_t>(identified | (fifos_ ? kFifosIdentified : 0));
    }
    case kLineControl:
      return line_control_;
    case kModemControl:
      return modem_control_;
    case kLineStatus:
      return kTransmitterEmpty;
    case kModemStatus:
      return modem_status();
    case kScratch:
      return scratch_;
    default:
      return std::uint8_t{0};
  }
}

base::Result<std::optional<std::uint8_t>> Uart16550::write(std::uint64_t offset, std::uint32_t size,
                                                           std::uint8_t value) {
  if (!is_allowed(offset, size)) return base::Error::kInvalidArgument;
  std::optional<std::uint8_t> sent;
  switch (offset) {
    case kData:
      if (divisor_selected()) {
        divisor_ = static_cast<std::uint16_t>((divisor_ & 0xff00) | value);
        break;
      }
      emptied_ = true;
      if ((modem_control_ & kLoopback) == 0) sent = value;  // looped back it would be received, which nothing is
      break;
    case kInterruptEnable:
      if (divisor_selected()) {
        divisor_ = static_cast<std::uint16_t>((divisor_ & 0x00ff) | value << 8);
        break;
      }
      // Enabling it with an empty transmitter interrupts at once; Linux tests for that and works around its absence.
      if ((value & ~interrupt_enable_ & kTransmitterInterrupt) != 0) emptied_ = true;
      interrupt_enable_ = value & kInterruptEnableBits;
      break;
    case kInterruptIdentification:
      fifos_ = (value & kFifoEnable) != 0;
      break;
    case kLineControl:
      line_control_ = value;
      break;
    case kModemControl:
      modem_control_ = value & kModemControlBits;
      break;
    case kScratch:
      scratch_ = value;
      break;
    default:
      break;  // LSR and MSR are the chip's own
  }
  return sent;
}

}  // namespace emulation
