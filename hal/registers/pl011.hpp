// PrimeCell UART PL011 (Arm DDI 0183), the registers used for output. Offsets in bytes.
#pragma once

#include <cstdint>

#include "hal/registers/field.hpp"

namespace hal::registers::pl011 {

inline constexpr std::uint64_t kData = 0x00;
inline constexpr std::uint64_t kFlags = 0x18;
inline constexpr std::uint64_t kControl = 0x30;
inline constexpr std::uint32_t kFlagTransmitFull = 1U << 5;
inline constexpr std::uint32_t kControlEnable = 1U << 0;
inline constexpr std::uint32_t kControlTransmit = 1U << 8;

}  // namespace hal::registers::pl011
