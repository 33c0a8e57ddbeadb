// PL011, polled. What the device does not take in a bounded time is dropped: output never holds the monitor up.
#include "hal/console.hpp"

#include "board_tables.hpp"
#include "hal/aarch64/mmio.hpp"
#include "hal/registers/pl011.hpp"

namespace hal {

namespace {

namespace uart = registers::pl011;
constexpr std::uint64_t kBase = board::kBoard.uart_base;
constexpr unsigned kPolls = 100'000;

void put(char character) {
  for (unsigned i = 0; i < kPolls; ++i) {
    if ((aarch64::read32(kBase + uart::kFlags) & uart::kFlagTransmitFull) == 0) {
      aarch64::write32(kBase + uart::kData, static_cast<std::uint8_t>(character));
      return;
    }
  }
}

}  // namespace

void console_write(std::string_view text) {
  aarch64::write32(kBase + uart::kControl, uart::kControlEnable | uart::kControlTransmit);
  for (const char character : text) {
    if (character == '\n') put('\r');
    put(character);
  }
}

}  // namespace hal
