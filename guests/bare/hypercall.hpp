// Calling the monitor (firmware/hypercall/abi.hpp): one HVC, arguments in registers.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/hypercall/abi.hpp"

namespace bare {

using cofferdam_abi::Function;

struct Answer {
  std::int64_t status;  // 0, or -(error number) of the monitor's table
  std::uint64_t x1, x2, x3;
  [[nodiscard]] bool ok() const { return status == 0; }
};

inline constexpr std::int64_t kInProgress = -16;  // the monitor did a bounded part: call again

inline Answer call_raw(std::uint64_t function, std::array<std::uint64_t, 6> arguments = {}) {
  register std::uint64_t x0 asm("x0") = function;
  register std::uint64_t x1 asm("x1") = arguments[0];
  register std::uint64_t x2 asm("x2") = arguments[1];
  register std::uint64_t x3 asm("x3") = arguments[2];
  register std::uint64_t x4 asm("x4") = arguments[3];
  register std::uint64_t x5 asm("x5") = arguments[4];
  register std::uint64_t x6 asm("x6") = arguments[5];
  asm volatile("hvc #0"
               : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "+r"(x6)
               :
               : "memory");
  return {static_cast<std::int64_t>(x0), x1, x2, x3};
}

template <typename... Arguments>
Answer call(Function function, Arguments... arguments) {
  return call_raw(static_cast<std::uint64_t>(function), {static_cast<std::uint64_t>(arguments)...});
}

// Repeats a call that is done in bounded parts.
template <typename... Arguments>
Answer call_until_done(Function function, Arguments... arguments) {
  Answer answer = call(function, arguments...);
  while (answer.status == kInProgress) answer = call(function, arguments...);
  return answer;
}

}  // namespace bare
