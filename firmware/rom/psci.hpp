// Which calls of EL2 the resident ROM serves, and what it answers: PSCI, Arm DEN 0022, by SMC.
//
// Pure: decode() sees registers, answers data. Bounded: five calls, no state but one word for each core. A call from
// any level but EL2, and every number that is not listed, is kNotSupported.
#pragma once

#include <cstdint>

#include "firmware/rom/layout.hpp"

namespace rom::psci {

// Function numbers (SMCCC: fast calls of the standard service, 32- and 64-bit).
inline constexpr std::uint32_t kFunctionVersion = 0x8400'0000;
inline constexpr std::uint32_t kFunctionCpuOff = 0x8400'0002;
inline constexpr std::uint32_t kFunctionSystemOff = 0x8400'0008;
inline constexpr std::uint32_t kFunctionSystemReset = 0x8400'0009;
inline constexpr std::uint32_t kFunctionCpuOn64 = 0xc400'0003;
inline constexpr std::uint32_t kFunctionAffinityInfo64 = 0xc400'0004;

enum class Reply : std::int64_t {
  kSuccess = 0,
  kNotSupported = -1,
  kInvalidParameters = -2,
  kAlreadyOn = -4,
  kOnPending = -5,
  kInternalFailure = -6,
  kInvalidAddress = -9,
};
inline constexpr std::int64_t kVersionReply = 0x0001'0001;  // PSCI 1.1

enum class Action : std::uint8_t { kReply, kCpuOn, kCpuOff, kAffinityInfo, kSystemOff, kSystemReset };

struct Registers {  // of the caller
  std::uint64_t function;  // x0
  std::uint64_t x1, x2, x3;
};
struct Caller {
  bool el2;  // SPSR_EL3 says AArch64 EL2
};
struct EntryWindow {  // where a core may be entered: the measured image
  std::uint64_t base;
  std::uint64_t size;
};

struct Decision {
  Action action{Action::kReply};
  std::int64_t reply{};  // for kReply
  std::uint32_t core{};  // for kCpuOn, kAffinityInfo: below layout::kMaxCores
  std::uint64_t entry{};
  std::uint64_t context{};
};

// Core number of an MPIDR affinity: Aff1 * 16 + Aff0, as reset.S computes it; kMaxCores when there is none.
[[nodiscard]] constexpr std::uint32_t core_number(std::uint64_t affinity) {
  const std::uint64_t number = ((affinity >> 8) & 0xff) * 16 + (affinity & 0xff);
  const bool known = (affinity & ~std::uint64_t{0xffff}) == 0 && (affinity & 0xff) < 16 && number < layout::kMaxCores;
  return static_cast<std::uint32_t>(known ? number : layout::kMaxCores);
}

// `present` has a bit for each core that the machine has.
[[nodiscard]] Decision decode(const Registers& registers, Caller caller, EntryWindow window, std::uint32_t present);

}  // namespace rom::psci
