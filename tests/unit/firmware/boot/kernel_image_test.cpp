// A kernel's header is the parent's owner's word: where it says that it wants to lie, and lies that it may tell.
#include "firmware/boot/kernel_image.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

namespace {

using boot::place_kernel;
using Header = std::array<std::uint8_t, boot::kKernelHeaderSize>;

constexpr std::uint64_t kLimit = 1 << 30;

// Documentation/arch/arm64/booting.rst: text_offset at 8, image_size at 16, flags at 24, magic at 56.
Header header_of(std::uint64_t text_offset, std::uint64_t image_size, std::uint64_t flags) {
  Header header{};
  std::memcpy(&header[8], &text_offset, 8);
  std::memcpy(&header[16], &image_size, 8);
  std::memcpy(&header[24], &flags, 8);
  std::memcpy(&header[56], "ARM\x64", 4);
  return header;
}

TEST(KernelImage, LiesWhereItsHeaderSaysAndTakesTheRoomItNames) {
  const auto today = place_kernel(header_of(0, 0x260'0000, 0xA), 0x250'0000, kLimit);
  ASSERT_TRUE(today.ok());
  EXPECT_EQ(today->offset, 0U);
  EXPECT_EQ(today->room, 0x260'0000U);
  EXPECT_TRUE(today->anywhere);
  const auto offset = place_kernel(header_of(0x8'0000, 0x100'0000, 0x2), 0xF0'0000, kLimit);
  ASSERT_TRUE(offset.ok());
  EXPECT_EQ(offset->offset, 0x8'0000U);
  const auto old = place_kernel(header_of(0, 0, 0), 0x90'0000, kLimit);  // before Linux 3.17
  ASSERT_TRUE(old.ok());
  EXPECT_EQ(old->offset, 0x8'0000U);
  EXPECT_EQ(old->room, 0x90'0000U);
  EXPECT_TRUE(place_kernel(header_of(0, 1 << 20, 1), 1 << 20, kLimit).ok()) << "big-endian: that is its own business from its entry on";
}

TEST(KernelImage, ARoomSmallerThanTheImageIsTheImages) {
  EXPECT_EQ(place_kernel(header_of(0, 100, 0), 5000, kLimit)->room, 5000U);
}

TEST(KernelImage, WithoutAHeaderItIsAFlatBinary) {
  const std::array<std::uint8_t, 8> small{};
  EXPECT_EQ(place_kernel(small, 8, kLimit)->room, 8U);
  EXPECT_EQ(place_kernel(Header{}, 5000, kLimit)->offset, 0U);
  EXPECT_FALSE(place_kernel(Header{}, 5000, kLimit)->anywhere);
}

TEST(KernelImage, WhatCantBePlacedIsRefused) {
  EXPECT_FALSE(place_kernel(header_of(boot::kKernelAlignment, 100, 0), 100, kLimit).ok());
  EXPECT_FALSE(place_kernel(header_of(0, ~std::uint64_t{0}, 0), 100, kLimit).ok());
  EXPECT_FALSE(place_kernel(header_of(0x8'0000, kLimit - 0x8'0000 + 1, 0), 100, kLimit).ok());
  EXPECT_TRUE(place_kernel(header_of(0x8'0000, kLimit - 0x8'0000, 0), 100, kLimit).ok());
  EXPECT_FALSE(place_kernel(Header{}, kLimit + 1, kLimit).ok());
  EXPECT_FALSE(place_kernel(Header{}, 0, kLimit).ok());
  EXPECT_FALSE(place_kernel(header_of(0x8'0000, 0, 0), 100, 0x1000).ok());
}

}  // namespace
