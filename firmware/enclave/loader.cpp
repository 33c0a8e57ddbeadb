#include "firmware/enclave/loader.hpp"

#include <algorithm>

#include "firmware/base/address.hpp"

namespace enclave {

namespace {

constexpr std::uint32_t kArm64Magic = 0x644d'5241;  // "ARM\x64", little-endian
constexpr std::size_t kTextOffsetAt = 8;
constexpr std::size_t kImageSizeAt = 16;
constexpr std::size_t kMagicAt = 56;

template <typename T>
[[nodiscard]] T little_endian(base::Bytes bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = sizeof(T); i-- > 0;) value = (value << 8) | bytes[at + i];
  return static_cast<T>(value);
}

}  // namespace

base::Result<Placement> place(const EifLayout& layout, std::uint64_t image_offset, std::uint64_t memory_size,
                              base::Bytes kernel_head) {
  std::uint64_t text_offset = 0;
  std::uint64_t resident = layout.kernel.size;  // what the kernel occupies, its zeroed data included
  if (little_endian<std::uint32_t>(kernel_head, kMagicAt) == kArm64Magic) {
    text_offset = little_endian<std::uint64_t>(kernel_head, kTextOffsetAt);
    resident = std::max(resident, little_endian<std::uint64_t>(kernel_head, kImageSizeAt));
  }
  std::uint64_t ramdisks = 0;
  for (const EifSection& ramdisk : layout.ramdisks) ramdisks += ramdisk.size;  // bounded by kMaxEifSize in all

  Placement placement;
  if (memory_size < kDeviceTreeSpace) return base::Error::kNoMemory;
  placement.device_tree = base::align_up(memory_size - kDeviceTreeSpace, base::kFrameSize);
  if (ramdisks > placement.device_tree) return base::Error::kNoMemory;
  placement.initrd = (placement.device_tree - ramdisks) & ~(base::kFrameSize - 1);
  placement.initrd_size = ramdisks;
  placement.kernel = text_offset;
  placement.kernel_size = layout.kernel.size;
  placement.entry = text_offset;
  // The kernel moves down, the ramdisks up to where the image does not reach: no byte is overwritten before it moved.
  const std::uint64_t kernel_source = image_offset + layout.kernel.offset;
  const std::uint64_t image_end = image_offset + layout.total_size;
  if (text_offset > kernel_source) return base::Error::kNoMemory;
  if (image_end > placement.initrd) return base::Error::kNoMemory;
  if (resident > placement.initrd || text_offset > placement.initrd - resident) return base::Error::kNoMemory;
  return placement;
}

void Loader::begin(std::uint64_t image_offset, std::uint64_t memory_size) {
  phase_ = LoadPhase::kParse;
  image_error_ = EifError::kNone;
  error_ = base::Error{};
  image_offset_ = image_offset;
  memory_size_ = memory_size;
  done_ = 0;
  command_line_size_ = 0;
  signature_size_ = 0;
}

void Loader::refuse_signature(base::Error error) {
  if (error == base::Error::kBadImage) image_error_ = EifError::kSignatureMalformed;
  if (error == base::Error::kBadSignature) image_error_ = EifError::kSignatureWrong;
  if (error == base::Error::kOutOfRange) image_error_ = EifError::kSignerNotValid;
  refuse(error);
}

void Loader::keep_aside(std::uint64_t position, base::Bytes piece) {
  const auto keep = [&](const EifSection& section, base::MutableBytes aside, std::size_t& size) {
    const std::uint64_t from = std::max(position, section.offset);
    const std::uint64_t to = std::min(position + piece.size(), section.offset + section.size);
    for (std::uint64_t at = from; at < to; ++at) aside[at - section.offset] = piece[at - position];
    if (from < to) size = to - section.offset;
  };
  keep(layout_.command_line, command_line_, command_line_size_);
  if (layout_.signature) keep(*layout_.signature, signature_, signature_size_);
}

Loader::Range Loader::next_move(std::uint64_t most) const {
  std::uint64_t before = 0;  // bytes of the pieces that come earlier in the order: ramdisks, then the kernel
  for (const EifSection& ramdisk : layout_.ramdisks) {
    if (done_ < before + ramdisk.size) {
      const std::uint64_t at = done_ - before;
      return {placement_.initrd + done_, image_offset_ + ramdisk.offset + at, std::min(most, ramdisk.size - at)};
    }
    before += ramdisk.size;
  }
  if (done_ < before + layout_.kernel.size) {
    const std::uint64_t at = done_ - before;
    return {placement_.kernel + at, image_offset_ + layout_.kernel.offset + at,
            std::min(most, layout_.kernel.size - at)};
  }
  return {0, 0, 0};
}

Loader::Range Loader::next_gap(std::uint64_t most) const {
  // Ascending and disjoint; the device tree is written afterwards, over zeroes.
  const std::uint64_t kept[][2] = {{placement_.kernel, placement_.kernel + placement_.kernel_size},
                                   {placement_.initrd, placement_.initrd + placement_.initrd_size},
                                   {memory_size_, memory_size_}};
  std::uint64_t at = done_;
  for (const auto& [start, end] : kept) {
    if (at < start) return {at, at, std::min(most - at % most, start - at)};  // whole frames after the first
    at = std::max(at, end);
  }
  return {0, 0, 0};
}

}  // namespace enclave
