#include "tests/scenario/enclave_images.hpp"

#include <algorithm>
#include <span>

#include "firmware/enclave/crc32.hpp"

namespace support {
namespace {

using Bytes = std::vector<std::uint8_t>;

// EIF version 4, big-endian: 548 bytes of header, then sections of a 12-byte header and data each.
constexpr std::size_t kHeader = 548;
constexpr std::size_t kCrcAt = 544;
constexpr std::size_t kMaxSections = 32;
enum class Section : std::uint16_t { kKernel = 1, kCommandLine = 2, kRamdisk = 3, kMetadata = 5 };

void put(Bytes& out, std::uint64_t value, int size) {
  for (int i = size - 1; i >= 0; --i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

struct Part {
  Section kind;
  Bytes data;
};

}  // namespace

std::vector<std::uint8_t> make_image(std::size_t kernel_size, std::uint64_t seed, std::string_view command_line) {
  const auto noise = [&seed](std::size_t size) {
    Bytes bytes(size);
    for (auto& byte : bytes) {
      seed = seed * 6364136223846793005 + 1442695040888963407;
      byte = static_cast<std::uint8_t>(seed >> 56);
    }
    return bytes;
  };
  const auto text = [](std::string_view characters) { return Bytes(characters.begin(), characters.end()); };
  const std::vector<Part> parts = {{Section::kKernel, noise(kernel_size)},
                                   {Section::kCommandLine, text(command_line)},
                                   {Section::kMetadata, text("{}")},
                                   {Section::kRamdisk, noise(512)}};
  Bytes image = {'.', 'e', 'i', 'f'};
  put(image, 4, 2);              // version
  put(image, 1, 2);              // AArch64
  put(image, 0x4000'0000, 8);    // default memory and cores: nobody reads them
  put(image, 2, 8);
  put(image, 0, 2);
  put(image, parts.size(), 2);
  std::uint64_t at = kHeader;
  for (std::size_t i = 0; i < kMaxSections; ++i) {
    put(image, i < parts.size() ? at : 0, 8);
    if (i < parts.size()) at += 12 + parts[i].data.size();
  }
  for (std::size_t i = 0; i < kMaxSections; ++i) put(image, i < parts.size() ? parts[i].data.size() : 0, 8);
  put(image, 0, 4);
  put(image, 0, 4);  // the checksum's place
  for (const Part& part : parts) {
    put(image, static_cast<std::uint16_t>(part.kind), 2);
    put(image, 0, 2);
    put(image, part.data.size(), 8);
    image.insert(image.end(), part.data.begin(), part.data.end());
  }
  enclave::Crc32 crc;
  crc.update(std::span<const std::uint8_t>(image).first(kCrcAt));
  crc.update(std::span<const std::uint8_t>(image).subspan(kHeader));
  Bytes value;
  put(value, crc.value(), 4);
  std::copy(value.begin(), value.end(), image.begin() + kCrcAt);
  return image;
}

}  // namespace support
