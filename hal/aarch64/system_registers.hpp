// Reading and writing system registers. The name is an assembler operand, which no function argument can be: hence
// the two macros, used in this folder only.
#pragma once

#include <cstdint>

#define HAL_READ_REGISTER(name)                                     \
  ([] {                                                             \
    std::uint64_t hal_value;                                        \
    asm volatile("mrs %0, " #name : "=r"(hal_value) : : "memory");  \
    return hal_value;                                               \
  }())
#define HAL_WRITE_REGISTER(name, value)                                                        \
  ([](std::uint64_t hal_value) { asm volatile("msr " #name ", %0" : : "r"(hal_value) : "memory"); }(value))

namespace hal::aarch64 {

inline void isb() { asm volatile("isb" : : : "memory"); }
inline void dsb_sy() { asm volatile("dsb sy" : : : "memory"); }
inline void dsb_ish() { asm volatile("dsb ish" : : : "memory"); }
inline void dsb_ishst() { asm volatile("dsb ishst" : : : "memory"); }
inline void dsb_nsh() { asm volatile("dsb nsh" : : : "memory"); }
inline void dmb_oshld() { asm volatile("dmb oshld" : : : "memory"); }

}  // namespace hal::aarch64
