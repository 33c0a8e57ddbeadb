#include "firmware/enclave/slot.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace {

using base::FrameCount;
using base::FrameNumber;
using base::FrameRange;
using enclave::Slot;

constexpr std::uint64_t kPage = base::kFrameSize;

void add(Slot& slot, std::uint64_t frame, std::uint64_t count) {
  ASSERT_TRUE(slot.regions.push({FrameRange::trusted(FrameNumber{frame}, FrameCount{count})}).ok());
  slot.memory_bytes += count * kPage;
}

TEST(Slot, LocatesEveryByteOfScatteredMemory) {
  const auto slot = std::make_unique<Slot>();
  add(*slot, 900, 2);
  add(*slot, 100, 1);
  add(*slot, 500, 3);
  std::uint64_t offset = 0;
  for (const auto& [frame, count] : {std::pair{900U, 2U}, {100U, 1U}, {500U, 3U}}) {
    const std::uint64_t size = count * kPage;
    for (const std::uint64_t within : {std::uint64_t{0}, std::uint64_t{1}, kPage - 1, size - 1}) {
      const auto extent = enclave::locate(*slot, offset + within);
      ASSERT_TRUE(extent.ok());
      EXPECT_EQ(extent->address.value, frame * kPage + within);
      EXPECT_EQ(extent->size, size - within) << "up to the end of the region, no further";
    }
    offset += size;
  }
  for (const std::uint64_t beyond : {offset, offset + 1, ~std::uint64_t{0}}) {
    const auto extent = enclave::locate(*slot, beyond);
    ASSERT_FALSE(extent.ok());
    EXPECT_EQ(extent.error(), base::Error::kOutOfRange);
  }
}

TEST(Slot, AnEmptySlotHasNoByte) {
  const auto slot = std::make_unique<Slot>();
  EXPECT_FALSE(enclave::locate(*slot, 0).ok());
  EXPECT_EQ(enclave::ram_end(*slot).value, board::kBoard.enclave_ram_base);
}

TEST(Slot, ChannelsHaveWindowsOfTheirOwnBelowTheMemory) {
  for (std::uint8_t i = 0; i < board::kMaxChannelsPerEnclave; ++i) {
    const std::uint64_t window = enclave::channel_ipa(base::ChannelIndex{i}).value;
    EXPECT_EQ(window, board::kBoard.channel_ipa_base + i * enclave::kChannelWindow);
    EXPECT_LE(window + enclave::kChannelWindow, board::kBoard.enclave_ram_base);
  }
}

TEST(Slot, ClearingLeavesNothingOfTheEnclave) {
  const auto slot = std::make_unique<Slot>();
  add(*slot, 900, 2);
  slot->state = enclave::SlotState::kFreeing;
  slot->uid = base::SlotUid{7};
  slot->mode = enclave::Mode::kDebug;
  slot->cid = 16, slot->image_offset = 4096, slot->exit = 0x101, slot->faults = 3;
  slot->busy = slot->nsm_busy = true;
  slot->scrubbing = FrameRange::trusted(FrameNumber{1}, FrameCount{1});
  slot->channels[1].frames = FrameRange::trusted(FrameNumber{2}, FrameCount{1});
  slot->channels[1].parent_pending = true;
  const std::array<std::uint8_t, 3> data{1, 2, 3};
  ASSERT_TRUE(slot->pcrs.extend(5, data).ok());
  ASSERT_TRUE(slot->pcrs.lock_range(16).ok());
  enclave::clear(*slot);
  EXPECT_EQ(slot->state, enclave::SlotState::kFree);
  EXPECT_EQ(slot->uid, base::SlotUid{});
  EXPECT_EQ(slot->mode, enclave::Mode::kProduction);
  EXPECT_EQ(slot->cid + slot->image_offset + slot->exit + slot->faults + slot->memory_bytes, 0U);
  EXPECT_FALSE(slot->busy || slot->nsm_busy);
  EXPECT_TRUE(slot->regions.empty());
  EXPECT_TRUE(slot->scrubbing.empty());
  for (const enclave::Channel& channel : slot->channels) {
    EXPECT_TRUE(channel.frames.empty() && !channel.parent_pending && !channel.enclave_pending);
  }
  EXPECT_EQ(slot->pcrs.locked_mask(), 0U);
  EXPECT_EQ(slot->pcrs.value(5), measure::Digest{}) << "the next enclave starts from zero";
}

}  // namespace
