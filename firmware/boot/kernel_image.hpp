// Where a parent's kernel wants to lie (Linux, Documentation/arch/arm64/booting.rst, "Call the kernel image").
#pragma once

#include <cstdint>

#include "firmware/base/byte_reader.hpp"

namespace boot {

inline constexpr std::size_t kKernelHeaderSize = 64;
inline constexpr std::uint64_t kKernelAlignment = 2 * 1024 * 1024;

struct KernelPlacement {
  std::uint64_t offset;  // of the image's first byte from an address that is aligned to kKernelAlignment
  std::uint64_t room;    // bytes that it uses from there on, at least its own size
  bool anywhere;         // any such address will do: a Linux Image, not a flat binary
};

// `header`: the image's first bytes; `size`: all of them. A flat binary (no "ARM\x64" at byte 56) wants offset 0 and its
// own size. Errors: kInvalidArgument (offset or room beyond `limit`, a room smaller than the image).
[[nodiscard]] base::Result<KernelPlacement> place_kernel(base::Bytes header, std::uint64_t size, std::uint64_t limit);

}  // namespace boot
