// Which calls of EL2 the resident ROM serves by SMC, and what it answers: PSCI, Arm DEN 0022, and text for its console.
//
// Pure: decode() sees registers, answers data. Bounded: seven calls, no state but one word for each core. A call from
// any level but EL2, and every number that is not listed, is kNotSupported.
#pragma once

#include <cstddef>
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
// Of the OEM's range (SMCCC, Arm DEN 0028, section 6.2): x1..x6 hold text, the first byte lowest, x7 how many bytes.
// Printable ASCII and newline only, zeros past the end. kInternalFailure: other cores kept the console too long.
inline constexpr std::uint32_t kFunctionConsoleWrite64 = 0xc300'0001;
inline constexpr std::size_t kMaxText = 48;

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

enum class Action : std::uint8_t { kReply, kCpuOn, kCpuOff, kAffinityInfo, kSystemOff, kSystemReset, kWriteText };

struct Registers {  // of the caller
  std::uint64_t function;  // x0
  std::uint64_t x1, x2, x3;
  std::uint64_t x4{}, x5{}, x6{}, x7{};
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
  std::size_t text_size{};  // for kWriteText: 1..kMaxText
};

// Core number of an MPIDR affinity: Aff1 * 16 + Aff0, as reset.S computes it; kMaxCores when there is none.
[[nodiscard]] constexpr std::uint32_t core_number(std::uint64_t affinity) {
  const std::uint64_t number = ((affinity >> 8) & 0xff) * 16 + (affinity & 0xff);
  const bool known = (affinity & ~std::uint64_t{0xffff}) == 0 && (affinity & 0xff) < 16 && number < layout::kMaxCores;
  return static_cast<std::uint32_t>(known ? number : layout::kMaxCores);
}

// `present` has a bit for each core that the machine has.
// Byte `index` of the text in x1..x6; `index` < kMaxText.
[[nodiscard]] constexpr char text_byte(const Registers& registers, std::size_t index) {
  std::uint64_t word = 0;
  switch (index / 8) {
    case 0: word = registers.x1; break;
    case 1: word = registers.x2; break;
    case 2: word = registers.x3; break;
    case 3: word = registers.x4; break;
    case 4: word = registers.x5; break;
    case 5: word = registers.x6; break;
    default: break;
  }
  return static_cast<char>(word >> (index % 8 * 8) & 0xff);
}

[[nodiscard]] Decision decode(const Registers& registers, Caller caller, EntryWindow window, std::uint32_t present);

}  // namespace rom::psci
