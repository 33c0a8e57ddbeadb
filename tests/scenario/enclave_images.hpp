// Enclave images for scenarios: small, flat, written by the project's own builder.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace support {

// A kernel of `kernel_size` bytes derived from `seed`, a command line, metadata and one ramdisk.
[[nodiscard]] std::vector<std::uint8_t> make_image(std::size_t kernel_size = 4096, std::uint64_t seed = 1,
                                                   std::string_view command_line = "console=none");

}  // namespace support
