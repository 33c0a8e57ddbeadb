// Device registers: one access each, in program order, of exactly the width asked for.
#pragma once

#include <cstdint>

namespace hal::aarch64 {

[[nodiscard]] inline std::uint32_t read32(std::uint64_t address) {
  return *reinterpret_cast<const volatile std::uint32_t*>(address);
}
inline void write32(std::uint64_t address, std::uint32_t value) {
  *reinterpret_cast<volatile std::uint32_t*>(address) = value;
}
[[nodiscard]] inline std::uint64_t read64(std::uint64_t address) {
  return *reinterpret_cast<const volatile std::uint64_t*>(address);
}
inline void write64(std::uint64_t address, std::uint64_t value) {
  *reinterpret_cast<volatile std::uint64_t*>(address) = value;
}

}  // namespace hal::aarch64
