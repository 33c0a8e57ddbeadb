#include "firmware/boot/kernel_image.hpp"

#include <algorithm>

namespace boot {

namespace {

constexpr std::uint32_t kMagic = 0x644d'5241;  // "ARM\x64"
constexpr std::size_t kTextOffsetAt = 8, kImageSizeAt = 16, kMagicAt = 56;
constexpr std::uint64_t kOldTextOffset = 0x8'0000;  // kernels before 3.17 leave image_size zero

template <typename T>
[[nodiscard]] T field(base::Bytes header, std::size_t at) {
  return base::ByteReader{header.subspan(at)}.little_endian<T>().value();
}

}  // namespace

base::Result<KernelPlacement> place_kernel(base::Bytes header, std::uint64_t size, std::uint64_t limit) {
  KernelPlacement placement{0, size, false};
  if (header.size() >= kKernelHeaderSize && field<std::uint32_t>(header, kMagicAt) == kMagic) {
    const auto room = field<std::uint64_t>(header, kImageSizeAt);
    placement.offset = room != 0 ? field<std::uint64_t>(header, kTextOffsetAt) : kOldTextOffset;
    placement.room = std::max(room, size);
    placement.anywhere = true;
  }
  if (size == 0 || placement.offset >= kKernelAlignment || placement.offset > limit ||
      placement.room > limit - placement.offset) {
    return base::Error::kInvalidArgument;
  }
  return placement;
}

}  // namespace boot
