// Cores that wait at EL3, and how one is started and stops. Compiled without SIMD: EL2's registers are live here.
//
// A core's word goes kAbsent -> kOff -> kClaimed -> kStarting -> kOn -> kOff. Every core leaves reset at the same
// time, so no core may trust memory from before the reset. Meeting: the other core clears its `admitted`, then says
// `hello` again and again until it is admitted; the boot core clears all words (with the rest of .bss), and admits a
// core whose `hello` it has seen after that. So neither can act on a word from before the reset.
#pragma once

#include <cstdint>

namespace rom::core_park {

enum class CoreState : std::uint32_t { kAbsent, kOff, kClaimed, kStarting, kOn };

// The boot core: it runs already; then lets in what has said hello. Bounded in time.
void start(std::uint32_t boot_core, std::uint32_t present);

// What CPU_ON came to.
enum class StartResult : std::uint8_t { kStarted, kAlreadyOn, kPending, kNoAnswer };
[[nodiscard]] StartResult start_core(std::uint32_t core, std::uint64_t entry, std::uint64_t context);
[[nodiscard]] CoreState state(std::uint32_t core);

}  // namespace rom::core_park

extern "C" {
[[noreturn]] void rom_park_after_reset(std::uint32_t core);
[[noreturn]] void rom_park_after_off(std::uint32_t core);
}
