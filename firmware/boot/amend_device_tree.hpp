// The parent's device tree: what the board compiler wrote, amended by what is only known at boot.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "firmware/base/byte_reader.hpp"

namespace boot {

struct PresentMemory {  // of one region of the board's memory
  std::uint64_t base;
  std::uint64_t size;  // 0: nothing of it
};

struct BootFacts {
  std::string_view command_line{};                 // without a NUL; at most kMaxCommandLine bytes
  std::uint64_t initrd{};                          // physical address
  std::uint64_t initrd_size{};                     // 0: there is none
  std::span<const std::uint64_t> absent_cores{};   // MPIDRs of the board's cores that this machine lacks
  std::uint64_t redistributor_bytes{};             // of the cores that the machine has; 0: what the board says
  std::span<const PresentMemory> memory{};         // all that the machine has; empty: what the board says
};

inline constexpr std::size_t kMaxCommandLine = 2048;  // Linux, COMMAND_LINE_SIZE of arm64
inline constexpr std::size_t kRngSeedSize = 64;

// Writes the amended tree to `out`, with seeds of zero: these bytes are measured, so that equal inputs give an equal
// register. Answers its size. Precondition: both begin at a multiple of 8 (libfdt). Errors: kTooLarge (out is too small, or the command line is too long), kInvalidArgument
// (`original` is no device tree with the nodes that boardgen writes).
[[nodiscard]] base::Result<std::size_t> amend_device_tree(base::Bytes original, const BootFacts& facts,
                                                          base::MutableBytes out);

// Puts fresh randomness into a tree that amend_device_tree wrote: /chosen kaslr-seed and rng-seed.
// Errors: kInvalidArgument (the properties are not there).
[[nodiscard]] base::Status plant_seeds(base::MutableBytes tree, std::uint64_t kaslr_seed,
                                       std::span<const std::uint8_t, kRngSeedSize> rng_seed);

}  // namespace boot
