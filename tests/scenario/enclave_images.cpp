#include "tests/scenario/enclave_images.hpp"

#include "tools/cofferdam/eif_image.hpp"

namespace support {

std::vector<std::uint8_t> make_image(std::size_t kernel_size, std::uint64_t seed, std::string_view command_line) {
  using enclave::EifSectionKind;
  const auto noise = [&seed](std::size_t size) {
    cofferdam::Bytes bytes(size);
    for (auto& byte : bytes) {
      seed = seed * 6364136223846793005 + 1442695040888963407;
      byte = static_cast<std::uint8_t>(seed >> 56);
    }
    return bytes;
  };
  const auto text = [](std::string_view characters) { return cofferdam::Bytes(characters.begin(), characters.end()); };
  return cofferdam::write_eif(enclave::EifArchitecture::kAarch64,
                              {{EifSectionKind::kKernel, noise(kernel_size)},
                               {EifSectionKind::kCommandLine, text(command_line)},
                               {EifSectionKind::kMetadata, text("{}")},
                               {EifSectionKind::kRamdisk, noise(512)}});
}

}  // namespace support
