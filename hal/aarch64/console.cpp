// Where the monitor's text goes: to a PL011 of its own, polled, or to the ROM, which owns one. The board says which.
//
// What is not taken in a bounded time is dropped: output never holds the monitor up.
#include "hal/console.hpp"

#include <array>

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

void write_to_uart(std::string_view text) {
  aarch64::write32(kBase + uart::kControl, uart::kControlEnable | uart::kControlTransmit);
  for (const char character : text) {
    if (character == '\n') put('\r');
    put(character);
  }
}

// One call of the ROM (firmware/rom/psci.hpp: kFunctionConsoleWrite64): x1..x6 hold text, x7 its size.
constexpr std::uint64_t kRomConsoleWrite = 0xC300'0001;
constexpr std::size_t kRomText = 48;

struct RomText {
  std::array<std::uint64_t, kRomText / 8> words{};
  std::size_t size{};
};

void call_rom(const RomText& text) {
  register std::uint64_t x0 asm("x0") = kRomConsoleWrite;
  register std::uint64_t x1 asm("x1") = text.words[0];
  register std::uint64_t x2 asm("x2") = text.words[1];
  register std::uint64_t x3 asm("x3") = text.words[2];
  register std::uint64_t x4 asm("x4") = text.words[3];
  register std::uint64_t x5 asm("x5") = text.words[4];
  register std::uint64_t x6 asm("x6") = text.words[5];
  register std::uint64_t x7 asm("x7") = text.size;
  // SMCCC 1.0 lets a callee change x4..x17. What it answers is of no use here: there is no other way out.
  asm volatile("smc #0"
               : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "+r"(x6), "+r"(x7)
               :
               : "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "memory");
}

// The ROM takes printable characters and newline, and refuses a text that holds another.
void write_to_rom(std::string_view text) {
  RomText next;
  for (const char character : text) {
    if (character == '\r') continue;  // the ROM ends lines as its UART wants them
    const bool printable = (character >= ' ' && character < 0x7f) || character == '\n';
    const auto byte = static_cast<std::uint8_t>(printable ? character : ' ');
    next.words[next.size / 8] |= std::uint64_t{byte} << (next.size % 8 * 8);
    if (++next.size < kRomText) continue;
    call_rom(next);
    next = RomText{};
  }
  if (next.size != 0) call_rom(next);
}

}  // namespace

void console_write(std::string_view text) {
  if constexpr (kBase != 0) {
    write_to_uart(text);
  } else {
    write_to_rom(text);
  }
}

}  // namespace hal
