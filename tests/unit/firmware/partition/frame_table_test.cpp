// The two-level table against the simplest one: an array with an entry for each frame.
#include "firmware/partition/frame_table.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace {

using base::FrameCount;
using base::FrameNumber;
using base::FrameRange;
using base::kFramesPerBlock;
using partition::FrameEntry;
using partition::FrameTable;
using partition::owned_by;
using partition::scrubbing_from;
using partition::shared_with;

constexpr std::uint64_t kFirst = 3 * kFramesPerBlock;
constexpr std::uint64_t kBlocks = 6;

constexpr std::uint64_t kGuard = 4;  // blocks behind the table that say "the parent's": whoever reads them is found out

struct Tables {
  std::vector<partition::BlockEntry> blocks = std::vector<partition::BlockEntry>(kBlocks + kGuard);
  std::vector<partition::PackedEntry> frames =
      std::vector<partition::PackedEntry>((kBlocks + kGuard) * kFramesPerBlock);
  FrameTable table{FrameNumber{kFirst}, std::span{blocks}.first(kBlocks),
                   std::span{frames}.first(kBlocks* kFramesPerBlock)};
  std::vector<FrameEntry> naive = std::vector<FrameEntry>(kBlocks * kFramesPerBlock);

  Tables() {
    for (std::size_t i = kBlocks; i < blocks.size(); ++i) blocks[i].uniform = partition::pack(owned_by(base::kParent));
  }
  void set(std::uint64_t first, std::uint64_t count, FrameEntry entry) {
    table.set(FrameRange::trusted(FrameNumber{first}, FrameCount{count}), entry);
    for (std::uint64_t i = first; i < first + count; ++i) naive[i - kFirst] = entry;
  }
  [[nodiscard]] std::uint64_t naive_first_other(std::uint64_t first, std::uint64_t count, FrameEntry entry) const {
    for (std::uint64_t i = first; i < first + count; ++i) {
      if (i < kFirst || i >= kFirst + naive.size() || naive[i - kFirst] != entry) return i;
    }
    return first + count;
  }
};

constexpr FrameEntry kEntries[] = {owned_by(base::kParent),           owned_by(base::PartitionId{2}),
                                   owned_by(base::PartitionId{63}),   scrubbing_from(base::PartitionId{2}),
                                   shared_with(base::PartitionId{3}), FrameEntry{}};

TEST(FrameTable, EveryFrameStartsAsNone) {
  const Tables tables;
  for (std::uint64_t frame = kFirst - 2; frame < kFirst + kBlocks * kFramesPerBlock + 2; ++frame) {
    EXPECT_EQ(tables.table.at(FrameNumber{frame}), FrameEntry{});
  }
}

TEST(FrameTable, OutsideIsNone) {
  Tables tables;
  tables.set(kFirst, kBlocks * kFramesPerBlock, owned_by(base::kParent));
  for (const std::uint64_t frame :
       {std::uint64_t{0}, kFirst - 1, kFirst + kBlocks * kFramesPerBlock, ~std::uint64_t{0} >> 12, ~std::uint64_t{0}}) {
    EXPECT_EQ(tables.table.at(FrameNumber{frame}), FrameEntry{}) << frame;
  }
}

TEST(FrameTable, ARangeThatLeavesTheTableIsNotAll) {
  Tables tables;
  tables.set(kFirst, kBlocks * kFramesPerBlock, owned_by(base::kParent));
  const auto all = [&](std::uint64_t first, std::uint64_t count) {
    return tables.table.all(FrameRange::trusted(FrameNumber{first}, FrameCount{count}), owned_by(base::kParent));
  };
  const std::uint64_t end = kFirst + kBlocks * kFramesPerBlock;
  EXPECT_TRUE(all(kFirst, kBlocks * kFramesPerBlock));
  EXPECT_FALSE(all(kFirst - 1, 2));
  EXPECT_FALSE(all(end - 1, 2));
  EXPECT_FALSE(all(end, 1));
  EXPECT_FALSE(all(end - 1, kFramesPerBlock * 100));
  EXPECT_FALSE(all(kFirst, 0)) << "of nothing, nothing is said";
}

TEST(FrameTable, SeesTheMiddleOfARange) {
  Tables tables;
  tables.set(kFirst, kBlocks * kFramesPerBlock, owned_by(base::kParent));
  const FrameRange whole = FrameRange::trusted(FrameNumber{kFirst}, FrameCount{kBlocks * kFramesPerBlock});
  for (std::uint64_t frame = kFirst; frame < whole.end().value; frame += 97) {
    tables.set(frame, 1, owned_by(base::PartitionId{5}));
    EXPECT_FALSE(tables.table.all(whole, owned_by(base::kParent)));
    EXPECT_EQ(tables.table.first_other(whole, owned_by(base::kParent)).value, frame);
    tables.set(frame, 1, owned_by(base::kParent));
    EXPECT_TRUE(tables.table.all(whole, owned_by(base::kParent)));
  }
}

void expect_same(const Tables& tables) {
  for (std::uint64_t i = 0; i < tables.naive.size(); ++i) {
    ASSERT_EQ(tables.table.at(FrameNumber{kFirst + i}), tables.naive[i]) << "frame " << i;
  }
}

// Ranges of every shape: single frames, whole blocks, block borders, several blocks with ragged ends.
TEST(FrameTable, DoesWhatAnArrayDoes) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random{seed};
    Tables tables;
    for (int step = 0; step < 3000; ++step) {
      const std::uint64_t frames = tables.naive.size();
      std::uint64_t first = random() % frames;
      if (random() % 3 == 0) first -= first % kFramesPerBlock;
      std::uint64_t count = 1 + random() % (frames - first);
      if (random() % 2 == 0) count = 1 + random() % std::min<std::uint64_t>(frames - first, 8);
      if (random() % 4 == 0 && frames - first >= kFramesPerBlock) count = kFramesPerBlock;
      const FrameEntry entry = kEntries[random() % std::size(kEntries)];
      tables.set(kFirst + first, count, entry);

      const std::uint64_t from = kFirst + random() % frames;
      const std::uint64_t length = 1 + random() % (2 * frames);  // may pass the end
      const FrameEntry wanted = kEntries[random() % std::size(kEntries)];
      const FrameRange range = FrameRange::trusted(FrameNumber{from}, FrameCount{length});
      const std::uint64_t expected = tables.naive_first_other(from, length, wanted);
      ASSERT_EQ(tables.table.first_other(range, wanted).value, expected) << "step " << step;
      ASSERT_EQ(tables.table.all(range, wanted), expected == from + length) << "step " << step;
    }
    expect_same(tables);
  }
}

// Frame by frame out and back: the block counts, splits and joins, whatever the order.
TEST(FrameTable, ABlockThatCameBackInPiecesIsWholeAgain) {
  Tables tables;
  tables.set(kFirst, kBlocks * kFramesPerBlock, owned_by(base::kParent));
  std::vector<std::uint64_t> order(kFramesPerBlock);
  for (std::uint64_t i = 0; i < kFramesPerBlock; ++i) order[i] = kFirst + kFramesPerBlock + i;
  std::shuffle(order.begin(), order.end(), std::mt19937_64{7});
  for (const std::uint64_t frame : order) tables.set(frame, 1, owned_by(base::PartitionId{4}));
  std::shuffle(order.begin(), order.end(), std::mt19937_64{8});
  for (const std::uint64_t frame : order) {
    EXPECT_NE(tables.blocks[1].split_and_parent, 0) << "split while a frame is away";
    tables.set(frame, 1, owned_by(base::kParent));
  }
  EXPECT_EQ(tables.blocks[1].split_and_parent, 0) << "one entry stands for all 512 again";
  EXPECT_EQ(tables.blocks[1].uniform, partition::pack(owned_by(base::kParent)));
  expect_same(tables);
}

TEST(FrameTable, AWholeBlockIsOneEntry) {
  Tables tables;
  tables.set(kFirst + kFramesPerBlock, 2 * kFramesPerBlock, owned_by(base::PartitionId{9}));
  EXPECT_EQ(tables.blocks[1].split_and_parent, 0);
  EXPECT_EQ(tables.blocks[2].split_and_parent, 0);
  expect_same(tables);
}

}  // namespace
