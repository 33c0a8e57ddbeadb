// Numbers as people read them: 0x44000000, 64 MiB.
#pragma once

#include <cstdint>
#include <string>

namespace boardgen {

[[nodiscard]] std::string hexadecimal(std::uint64_t value);                    // 0x44000000
[[nodiscard]] std::string padded_hexadecimal(std::uint64_t value);             // 0x00_4400_0000, ten digits at least
[[nodiscard]] std::string size_text(std::uint64_t bytes);                      // 64 MiB, exact: 769984 KiB
[[nodiscard]] std::string rounded_size(std::uint64_t bytes);                   // for reading: 751.9 MiB
[[nodiscard]] std::string range_text(std::uint64_t base, std::uint64_t size);  // 0x44000000..0xbfffffff

}  // namespace boardgen
