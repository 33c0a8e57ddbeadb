// A guest's view of a real-time clock: PrimeCell PL031 (Arm DDI 0224), one for each partition that has one.
//
// The monitor keeps the real clock, because it dates certificates. A guest that sets its clock changes the difference
// between the two and nothing else. There is no interrupt line: the guest may poll the raw status for its alarm.
//
// Pure: the real clock's second is an argument, so that tests and replays repeat. Callers hold the state's lock. Word
// accesses only, as the device's bus has them; what is refused is for the caller to report as an external abort.
#pragma once

#include <cstdint>

#include "firmware/base/result.hpp"

namespace emulation {

class Pl031 {
 public:
  static constexpr std::uint64_t kSize = 0x1000;  // bytes of registers

  // Seconds wrap in 2106, as the device's counter does. Registers that are not there read as zero and ignore writes.
  // Errors: kInvalidArgument (not one aligned word inside kSize).
  [[nodiscard]] base::Result<std::uint32_t> read(std::uint64_t offset, std::uint32_t size, std::uint32_t real_second);
  [[nodiscard]] base::Status write(std::uint64_t offset, std::uint32_t size, std::uint32_t value,
                                   std::uint32_t real_second);

 private:
  // Whether the alarm's second has come since the registers were last looked at.
  void advance(std::uint32_t guest_second);

  std::uint32_t difference_{};  // guest's second minus real one, modulo 2^32
  std::uint32_t loaded_{};      // RTCLR
  std::uint32_t match_{};       // RTCMR
  std::uint32_t last_{};        // guest's second at the last access
  bool seen_{};                 // there was an access: last_ holds
  bool raised_{};               // RTCRIS
  bool unmasked_{};             // RTCIMSC
};

}  // namespace emulation
