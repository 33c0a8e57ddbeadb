// 32-bit device registers by physical address (the ROM maps devices one to one). EL3 only.
#pragma once

#include <cstdint>

namespace rom {

[[nodiscard]] inline std::uint32_t mmio_read(std::uint64_t address) {
  return *reinterpret_cast<volatile std::uint32_t*>(address);
}
inline void mmio_write(std::uint64_t address, std::uint32_t value) {
  *reinterpret_cast<volatile std::uint32_t*>(address) = value;
}

}  // namespace rom
