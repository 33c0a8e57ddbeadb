// PL031 (Arm DDI 0224): whole seconds since 1970. The counter fills in the milliseconds.
#include "hal/clock.hpp"

#include <algorithm>

#include "board_tables.hpp"
#include "hal/aarch64/machine.hpp"
#include "hal/aarch64/mmio.hpp"
#include "hal/cpu.hpp"

namespace hal {

namespace {

constinit std::uint64_t first_second = 0;  // written once, before other cores run
constinit std::uint64_t first_tick = 0;

std::uint64_t rtc_seconds() {
  if constexpr (board::kBoard.rtc_base == 0) return 0;
  return aarch64::read32(board::kBoard.rtc_base);  // RTCDR
}

}  // namespace

namespace aarch64 {
void prepare_clock() {
  first_second = rtc_seconds();
  first_tick = ticks();
}
}  // namespace aarch64

std::uint64_t unix_milliseconds() {
  const std::uint64_t elapsed = ticks() - first_tick;
  const std::uint64_t frequency = std::max<std::uint64_t>(ticks_per_second(), 1);
  const std::uint64_t counted =
      first_second * 1000 + elapsed / frequency * 1000 + elapsed % frequency * 1000 / frequency;
  if constexpr (board::kBoard.rtc_base == 0) return counted;
  const std::uint64_t second = rtc_seconds() * 1000;  // the RTC has the last word on the second
  return std::clamp(counted, second, second + 999);
}

}  // namespace hal
