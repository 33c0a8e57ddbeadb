// What the monitor writes into an enclave's memory is in memory: the enclave starts with its MMU off and reads past the
// caches.
#include "firmware/monitor/slot_memory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "firmware/base/address.hpp"
#include "hal/memory.hpp"

namespace {

using Frame = std::array<std::uint8_t, base::kFrameSize>;

// Frames by number. The worst of all caches: it writes nothing back of its own accord, and keeps what it has.
std::map<std::uint64_t, Frame> g_memory;
std::map<std::uint64_t, Frame> g_cached;
std::set<std::uint64_t> g_dirty;

Frame& cached(std::uint64_t frame) { return g_cached.try_emplace(frame, g_memory[frame]).first->second; }

}  // namespace

namespace hal {

void read_bytes(base::PhysAddr from, base::MutableBytes to) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    const std::uint64_t at = from.value + i;
    to[i] = cached(at >> base::kFrameShift)[at % base::kFrameSize];
  }
}
void write_bytes(base::PhysAddr to, base::Bytes from) {
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::uint64_t at = to.value + i;
    cached(at >> base::kFrameShift)[at % base::kFrameSize] = from[i];
    g_dirty.insert(at >> base::kFrameShift);
  }
}
void clean_frames(base::FrameRange frames) {
  for (std::uint64_t frame = frames.first().value; frame < frames.end().value; ++frame) {
    if (const auto found = g_cached.extract(frame); g_dirty.erase(frame) != 0) g_memory[frame] = found.mapped();
  }
}
void scrub_frames(base::FrameRange frames) {
  for (std::uint64_t frame = frames.first().value; frame < frames.end().value; ++frame) {
    g_cached.erase(frame);
    g_dirty.erase(frame);
    g_memory[frame].fill(0);
  }
}

}  // namespace hal

namespace {

constexpr std::uint8_t kOfTheParent = 0xA5;

class SlotMemoryOfAnEnclave : public ::testing::Test {
 protected:
  SlotMemoryOfAnEnclave() {
    g_memory.clear();
    g_cached.clear();
    g_dirty.clear();
    for (const auto& [first, count] : {std::pair{0x800U, 512U}, {0x200U, 1024U}}) {
      const auto frames = base::FrameRange::trusted(base::FrameNumber{first}, base::FrameCount{count});
      EXPECT_TRUE(slot_.regions.push({frames}).ok());
      slot_.memory_bytes += frames.bytes();
      for (std::uint64_t frame = first; frame < first + count; ++frame) g_memory[frame].fill(kOfTheParent);
    }
  }

  // As a guest reads it whose MMU is off.
  [[nodiscard]] std::vector<std::uint8_t> in_memory() const {
    std::vector<std::uint8_t> bytes;
    for (const enclave::Region& region : slot_.regions) {
      for (std::uint64_t frame = region.frames.first().value; frame < region.frames.end().value; ++frame) {
        bytes.insert(bytes.end(), g_memory[frame].begin(), g_memory[frame].end());
      }
    }
    return bytes;
  }
  [[nodiscard]] std::vector<std::uint8_t> with(std::uint64_t offset, std::uint64_t size, std::uint8_t value) const {
    std::vector<std::uint8_t> bytes(slot_.memory_bytes, kOfTheParent);
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), size, value);
    return bytes;
  }

  enclave::Slot slot_{};
  monitor::SlotMemory memory_{slot_};
};

TEST_F(SlotMemoryOfAnEnclave, ZeroesReachMemoryAlsoInPartsOfFrames) {
  constexpr std::pair<std::uint64_t, std::uint64_t> kRanges[] = {
      {5000, 2 * base::kBlockSize}, {0, base::kBlockSize}, {100, 1},
      {base::kBlockSize - 10, 20},  {4096, 5000},          {8191, 4098}};
  for (const auto& [offset, size] : kRanges) {
    for (auto& [number, frame] : g_memory) frame.fill(kOfTheParent);
    ASSERT_TRUE(memory_.zero(offset, size).ok());
    EXPECT_TRUE(in_memory() == with(offset, size, 0)) << offset << ' ' << size;
  }
  EXPECT_FALSE(memory_.zero(slot_.memory_bytes - 1, 2).ok());
}

TEST_F(SlotMemoryOfAnEnclave, WhatIsWrittenAndMovedReachesMemory) {
  const std::vector<std::uint8_t> piece(5000, 7);
  ASSERT_TRUE(memory_.write(base::kBlockSize - 3000, piece).ok());
  EXPECT_TRUE(in_memory() == with(base::kBlockSize - 3000, piece.size(), 7));
  ASSERT_TRUE(memory_.move(1, base::kBlockSize - 3000, piece.size()).ok());
  auto expected = with(base::kBlockSize - 3000, piece.size(), 7);
  std::fill_n(expected.begin() + 1, piece.size(), std::uint8_t{7});
  EXPECT_TRUE(in_memory() == expected);
}

TEST_F(SlotMemoryOfAnEnclave, WhatTheGuestWrotePastTheCacheIsRead) {
  std::array<std::uint8_t, 16> out{};
  ASSERT_TRUE(memory_.read(40, out).ok());
  g_memory[0x800][41] = 9;
  ASSERT_TRUE(memory_.read(40, out).ok());
  EXPECT_EQ(out[1], 9);
}

}  // namespace
