// Enclave images with any field wrong, for tests: a header and sections as a tool would write them, then changed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "firmware/enclave/crc32.hpp"
#include "firmware/enclave/eif.hpp"

namespace test_data {

using Image = std::vector<std::uint8_t>;

template <typename T>
void put_big_endian(Image& image, std::size_t offset, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    image[offset + i] = static_cast<std::uint8_t>(std::uint64_t{value} >> (8 * (sizeof(T) - 1 - i)));
  }
}

struct Section {
  std::uint16_t type{};
  std::vector<std::uint8_t> data;
};
inline Section section(std::uint16_t type, const std::string& text) { return {type, {text.begin(), text.end()}}; }

inline constexpr std::uint16_t kKernel = 1;
inline constexpr std::uint16_t kCommandLine = 2;
inline constexpr std::uint16_t kRamdisk = 3;
inline constexpr std::uint16_t kSignature = 4;
inline constexpr std::uint16_t kMetadata = 5;

inline std::vector<Section> usual_sections() {
  return {section(kKernel, "kernel"), section(kCommandLine, "console=ttyS0"), section(kMetadata, "{}"),
          section(kRamdisk, "init"), section(kRamdisk, "application")};
}

inline void put_crc(Image& image) {
  enclave::Crc32 crc;
  crc.update(base::Bytes(image).first(enclave::kEifCrcOffset));
  crc.update(base::Bytes(image).subspan(enclave::kEifHeaderSize));
  put_big_endian(image, enclave::kEifCrcOffset, crc.value());
}

inline std::size_t offset_field(std::size_t index) { return 0x1c + 8 * index; }
inline std::size_t size_field(std::size_t index) { return 0x11c + 8 * index; }

inline Image image_of(const std::vector<Section>& sections) {
  Image image(enclave::kEifHeaderSize, 0);
  put_big_endian(image, 0, std::uint32_t{0x2e656966});
  put_big_endian(image, 4, std::uint16_t{4});
  put_big_endian(image, 6, std::uint16_t{1});
  put_big_endian(image, 0x1a, static_cast<std::uint16_t>(sections.size()));
  for (std::size_t i = 0; i < sections.size(); ++i) {
    if (i < enclave::kMaxEifSections) {
      put_big_endian(image, offset_field(i), std::uint64_t{image.size()});
      put_big_endian(image, size_field(i), std::uint64_t{sections[i].data.size()});
    }
    const std::size_t at = image.size();
    image.resize(at + enclave::kEifSectionHeaderSize);
    put_big_endian(image, at, sections[i].type);
    put_big_endian(image, at + 4, std::uint64_t{sections[i].data.size()});
    image.insert(image.end(), sections[i].data.begin(), sections[i].data.end());
  }
  put_crc(image);
  return image;
}

}  // namespace test_data
