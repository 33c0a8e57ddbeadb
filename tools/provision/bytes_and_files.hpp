// Files as bytes, hex as digests. Every error is a ProvisionError whose text says which file and what to do.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/measure/handover.hpp"

namespace provision {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using Path = std::filesystem::path;

class ProvisionError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Who may read a file that is made here.
enum class Secrecy : std::uint8_t { kPublic, kSecret };  // mode 0644 or 0600

[[nodiscard]] Bytes read_file(const Path& path, std::size_t max_size);
// Writes a new file beside it and renames: the old file or the whole new one, never half of it.
void write_file(const Path& path, ByteView content, Secrecy secrecy);

[[nodiscard]] measure::Digest parse_digest(std::string_view hex);  // 96 hex digits
[[nodiscard]] std::string to_hex(ByteView bytes);

[[nodiscard]] inline ByteView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace provision
