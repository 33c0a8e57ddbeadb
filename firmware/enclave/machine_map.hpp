// Where an enclave finds its devices, and which interrupts they raise. All of them are played by the monitor; the
// interrupt controller lies at the board's addresses, like the parent's.
#pragma once

#include <cstdint>

#include "firmware/base/ids.hpp"

namespace enclave {

struct DevicePlace {
  std::uint64_t base;  // IPA
  std::uint64_t size;
  base::Intid interrupt;  // an SPI, level-sensitive; 0: none
};

// ns16550a, transmit only. What a production enclave writes to it goes nowhere.
inline constexpr DevicePlace kConsole{0x0900'0000, 0x1000, base::Intid{1015}};
inline constexpr DevicePlace kClock{0x0901'0000, 0x1000, base::Intid{0}};  // PL031
inline constexpr DevicePlace kNsm{0x0A00'0000, 0x200, base::Intid{1016}};    // virtio-mmio, device id 33
inline constexpr DevicePlace kVsock{0x0A00'0200, 0x200, base::Intid{1017}};  // virtio-mmio, device id 19

}  // namespace enclave
