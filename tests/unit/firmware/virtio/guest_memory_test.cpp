// Frames at hand: touched where they are for as long as a visit lasts, and asked for anew in the next.
#include "firmware/virtio/guest_memory.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace {

// Frames 0 to 39; the last can't be brought at hand.
class Memory final : public virtio::GuestMemory {
 public:
  static constexpr std::uint64_t kFrames = 40;
  static constexpr std::uint64_t kNever = kFrames - 1;

  base::Status read(base::Ipa from, base::MutableBytes to) override {
    ++calls;
    if (from.value > bytes.size() || to.size() > bytes.size() - from.value) return base::Error::kOutOfRange;
    std::memcpy(to.data(), bytes.data() + from.value, to.size());
    return {};
  }
  base::Status write(base::Ipa to, base::Bytes from) override {
    ++calls;
    if (to.value > bytes.size() || from.size() > bytes.size() - to.value) return base::Error::kOutOfRange;
    std::memcpy(bytes.data() + to.value, from.data(), from.size());
    return {};
  }
  static void end_visit() { ++present_visit_; }

  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(kFrames * base::kFrameSize);
  std::vector<std::uint64_t> brought;
  int calls{};

 private:
  std::uint8_t* bring(std::uint64_t frame) override {
    brought.push_back(frame);
    if (frame >= kNever) return nullptr;
    place_of(frame) = {present_visit_, frame, bytes.data() + frame * base::kFrameSize};
    return place_of(frame).bytes;
  }
};

constexpr base::Ipa at(std::uint64_t frame, std::uint64_t offset = 0) { return base::Ipa{frame * base::kFrameSize + offset}; }

class GuestMemoryTest : public testing::Test {
 protected:
  void SetUp() override { Memory::end_visit(); }
  std::uint32_t load(base::Ipa from) {
    const auto value = memory.load<std::uint32_t>(from);
    EXPECT_TRUE(value.ok());
    return value.ok() ? *value : 0;
  }
  Memory memory;
};

TEST_F(GuestMemoryTest, AFrameIsBroughtOnceInAVisit) {
  ASSERT_TRUE(memory.store(at(3, 8), std::uint32_t{0x0403'0201}).ok());
  EXPECT_EQ(load(at(3, 8)), 0x0403'0201U);
  EXPECT_EQ(memory.bytes[3 * base::kFrameSize + 8], 1) << "little-endian, and in the memory itself";
  EXPECT_EQ(memory.brought, std::vector<std::uint64_t>{3});
  EXPECT_EQ(memory.calls, 0);
}

TEST_F(GuestMemoryTest, TheNextVisitBringsItAnew) {
  static_cast<void>(load(at(3)));
  Memory::end_visit();
  static_cast<void>(load(at(3)));
  EXPECT_EQ(memory.brought, (std::vector<std::uint64_t>{3, 3}));
}

TEST_F(GuestMemoryTest, FramesThatShareAPlaceAreToldApart) {
  memory.bytes[4 * base::kFrameSize] = 4;
  memory.bytes[20 * base::kFrameSize] = 20;
  memory.bytes[36 * base::kFrameSize] = 36;
  for (const std::uint64_t frame : {4U, 20U, 36U, 4U}) EXPECT_EQ(load(at(frame)), frame);
}

TEST_F(GuestMemoryTest, WhatCrossesAFramesEndGoesTheLongWay) {
  const std::array<std::uint8_t, 8> sent{1, 2, 3, 4, 5, 6, 7, 8};
  ASSERT_TRUE(memory.copy_out(at(5, base::kFrameSize - 4), sent).ok());
  std::array<std::uint8_t, 8> got{};
  ASSERT_TRUE(memory.copy_in(at(5, base::kFrameSize - 4), got).ok());
  EXPECT_EQ(got, sent);
  EXPECT_TRUE(memory.brought.empty());
  EXPECT_EQ(memory.calls, 2);
  ASSERT_TRUE(memory.copy_in(at(5, base::kFrameSize - 8), got).ok());  // up to its last byte: not the long way
  EXPECT_EQ(memory.calls, 2);
  EXPECT_EQ(got[4], 1);
}

TEST_F(GuestMemoryTest, WhatIsNotBroughtGoesTheLongWay) {
  ASSERT_TRUE(memory.store(at(Memory::kNever), std::uint64_t{7}).ok());
  const auto value = memory.load<std::uint64_t>(at(Memory::kNever));
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(*value, 7U);
  EXPECT_EQ(memory.calls, 2);
}

TEST_F(GuestMemoryTest, WhatIsNotItsOwnIsRefused) {
  EXPECT_EQ(memory.load<std::uint32_t>(at(Memory::kFrames)).error(), base::Error::kOutOfRange);
  EXPECT_EQ(memory.store(at(Memory::kFrames), std::uint32_t{1}).error(), base::Error::kOutOfRange);
  EXPECT_EQ(memory.load<std::uint64_t>(base::Ipa{~std::uint64_t{7}}).error(), base::Error::kOutOfRange);
}

}  // namespace
