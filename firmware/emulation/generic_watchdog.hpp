// A guest's watchdog: the Generic Watchdog of Arm's Base System Architecture (DEN 0094), revision 1, two frames.
//
// Time runs out in two steps: the first raises the interrupt (WS0) and starts the time again, the second (WS1) is the
// end. Pure: the system counter is an argument. Time passes in expire() alone, so that whoever has the real timer does
// what a step asks for; a refresh that comes before that call has come in time. Callers hold the state's lock. Word
// accesses only; what is refused is for the caller to report as an external abort.
#pragma once

#include <cstdint>
#include <optional>

#include "firmware/base/result.hpp"

namespace emulation {

class GenericWatchdog {
 public:
  static constexpr std::uint64_t kSize = 0x1000;  // bytes of registers of a frame
  enum class Frame : std::uint8_t { kControl, kRefresh };
  enum class Step : std::uint8_t { kNone, kInterrupt, kReset };

  // Registers that are not there read as zero and ignore writes. Errors: kInvalidArgument (not one aligned word inside
  // kSize).
  [[nodiscard]] base::Result<std::uint32_t> read(Frame frame, std::uint64_t offset, std::uint32_t size) const;
  [[nodiscard]] base::Status write(Frame frame, std::uint64_t offset, std::uint32_t size, std::uint32_t value,
                                   std::uint64_t now);

  // The first tick at which expire() has something to say; nothing: never, as things are.
  [[nodiscard]] std::optional<std::uint64_t> deadline() const;
  // At most one step, however late: the time of the second begins when the first is noticed.
  [[nodiscard]] Step expire(std::uint64_t now);

 private:
  void refresh(std::uint64_t now);
  void write_control(std::uint64_t offset, std::uint32_t value, std::uint64_t now);

  std::uint64_t period_{};   // WOR, 48 bits
  std::uint64_t compare_{};  // WCV
  bool enabled_{};           // WCS.EN
  bool interrupted_{};       // WCS.WS0
  bool ended_{};             // WCS.WS1
};

}  // namespace emulation
