// The machine's own measurements: eight registers and the log whose replay gives them.
//
// The ROM writes the first events, the monitor takes them over and goes on. PCR := SHA-384(PCR || digest).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "firmware/base/fixed_list.hpp"
#include "firmware/base/result.hpp"
#include "firmware/measure/handover.hpp"

namespace measure {

using PlatformBank = std::array<Digest, kPlatformPcrCount>;
inline constexpr std::size_t kMaxPlatformEvents = 64;

// Errors: kOutOfRange when an event names no register.
[[nodiscard]] base::Result<PlatformBank> replay(std::span<const Event> events);
// One value for all eight: SHA-384(PCR0 || ... || PCR7). This is what leaf certificates state.
[[nodiscard]] Digest digest_of(const PlatformBank& bank);

class PlatformLog {
 public:
  // Appends an event and extends its register. A name longer than 28 bytes is cut: it is for people.
  // Errors: kTooLarge when the log is full; nothing changes then.
  [[nodiscard]] base::Status record(PlatformPcr pcr, std::string_view name, const Digest& digest);
  // Takes over what the ROM logged. Precondition: validate(handover).ok(). Errors: kWrongState unless empty.
  [[nodiscard]] base::Status adopt(const Handover& handover);

  [[nodiscard]] const PlatformBank& bank() const { return bank_; }
  [[nodiscard]] std::span<const Event> events() const { return events_.view(); }

 private:
  [[nodiscard]] base::Status append(const Event& event);

  PlatformBank bank_{};
  base::FixedList<Event, kMaxPlatformEvents> events_{};
};

}  // namespace measure
