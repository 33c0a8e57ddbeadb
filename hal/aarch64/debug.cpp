// Breakpoints and watchpoints of this core (Arm ARM D2): a guest's own, and gone with it.
#include "hal/aarch64/machine.hpp"
#include "hal/aarch64/system_registers.hpp"

namespace hal::aarch64 {

namespace {

// DBG{B,W}{C,V}R<n>_EL1: the number is part of the name, so each is an instruction of its own.
#define HAL_CLEAR_BREAKPOINT(n)        \
  case n:                              \
    HAL_WRITE_REGISTER(dbgbcr##n##_el1, 0); \
    HAL_WRITE_REGISTER(dbgbvr##n##_el1, 0); \
    break
#define HAL_CLEAR_WATCHPOINT(n)        \
  case n:                              \
    HAL_WRITE_REGISTER(dbgwcr##n##_el1, 0); \
    HAL_WRITE_REGISTER(dbgwvr##n##_el1, 0); \
    break
#define HAL_SIXTEEN(each) \
  each(0);  each(1);  each(2);  each(3);  each(4);  each(5);  each(6);  each(7); \
  each(8);  each(9);  each(10); each(11); each(12); each(13); each(14); each(15)

void clear_breakpoint(std::uint64_t number) {
  switch (number) { HAL_SIXTEEN(HAL_CLEAR_BREAKPOINT); }
}
void clear_watchpoint(std::uint64_t number) {
  switch (number) { HAL_SIXTEEN(HAL_CLEAR_WATCHPOINT); }
}

#undef HAL_SIXTEEN
#undef HAL_CLEAR_WATCHPOINT
#undef HAL_CLEAR_BREAKPOINT

}  // namespace

void reset_self_hosted_debug() {
  HAL_WRITE_REGISTER(oslar_el1, 0);  // open for good: with it locked no debug exception would ever be taken
  HAL_WRITE_REGISTER(mdscr_el1, 0);
  HAL_WRITE_REGISTER(dbgclaimclr_el1, 0xFF);
  if (((HAL_READ_REGISTER(id_aa64mmfr0_el1) >> 56) & 0xF) == 0) {  // without FEAT_FGT nothing traps the channel alone
    HAL_WRITE_REGISTER(mdccint_el1, 0);
    HAL_WRITE_REGISTER(osdtrrx_el1, 0);
    HAL_WRITE_REGISTER(osdtrtx_el1, 0);
  }
  const std::uint64_t features = HAL_READ_REGISTER(id_aa64dfr0_el1);
  const std::uint64_t breakpoints = ((features >> 12) & 0xF) + 1;
  const std::uint64_t watchpoints = ((features >> 20) & 0xF) + 1;
  for (std::uint64_t i = 0; i < breakpoints; ++i) clear_breakpoint(i);
  for (std::uint64_t i = 0; i < watchpoints; ++i) clear_watchpoint(i);
}

}  // namespace hal::aarch64
