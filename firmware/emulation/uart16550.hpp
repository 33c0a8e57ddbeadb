// A serial line that a guest only writes to: a 16550A (National Semiconductor PC16550D, section 8) with byte registers,
// as a device-tree node "ns16550a" without reg-shift describes it and as Linux's 8250 driver and its earlycon drive it.
//
// The line takes each byte at once, so the transmitter is always empty. Nothing is ever received. Pure; callers hold
// the lock of what they keep here. Zero bytes are the state after reset.
#pragma once

#include <cstdint>
#include <optional>

#include "firmware/base/result.hpp"

namespace emulation {

class Uart16550 {
 public:
  static constexpr std::uint64_t kSize = 0x1000;  // bytes of registers, of which the first 8 are there

  // Byte accesses; behind the eighth register reads are zero and writes are ignored. Errors: kInvalidArgument (another
  // size, or out of kSize), for the caller to report as an external abort.
  [[nodiscard]] base::Result<std::uint8_t> read(std::uint64_t offset, std::uint32_t size);
  // Answers with the byte that goes out on the line, if any.
  [[nodiscard]] base::Result<std::optional<std::uint8_t>> write(std::uint64_t offset, std::uint32_t size,
                                                                std::uint8_t value);

  // The level of the interrupt; OUT2 does not gate it. May change with every access.
  [[nodiscard]] bool interrupt_line() const;

 private:
  [[nodiscard]] bool divisor_selected() const;
  [[nodiscard]] std::uint8_t modem_status() const;

  std::uint16_t divisor_{};
  std::uint8_t interrupt_enable_{};
  std::uint8_t line_control_{};
  std::uint8_t modem_control_{};
  std::uint8_t scratch_{};
  bool fifos_{};
  bool emptied_{};  // the transmitter emptied and IIR has not said so yet
};

}  // namespace emulation
