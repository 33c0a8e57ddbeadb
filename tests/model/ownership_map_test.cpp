// The specification that fits into a monitor, alone: what it objects to in an answer, and in a table.
#include "tests/model/ownership_map.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "firmware/base/result.hpp"
#include "firmware/hypercall/abi.hpp"

namespace model {
namespace {

using cofferdam_abi::Function;

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kRam = board::kBoard.memory[0].base;
constexpr std::uint64_t kFirst = kRam / kPage;
constexpr std::uint64_t kUid = 7;
constexpr base::PartitionId kEnclave{2};

class TheMap : public ::testing::Test {
 protected:
  TheMap() {
    map_->begin();
    EXPECT_FALSE(call(Function::kSlotAllocate, {}, kUid));
  }
  std::optional<Objection> call(Function function, std::array<std::uint64_t, 6> arguments, std::uint64_t x1 = 0,
                                bool unfinished = false) {
    return map_->step({.kind = AskedKind::kCall, .caller = base::kParent, .function = static_cast<std::uint32_t>(function),
                       .arguments = arguments},
                      {.x0 = 0, .x1 = x1, .unfinished = unfinished});
  }
  // One page of the parent's, whole otherwise.
  std::optional<Objection> walk_parent(std::uint64_t without_from = 0, std::uint64_t without = 0) {
    OwnershipMap::Walk walk(*map_, base::kParent);
    for (const board::MemoryRegion& region : board::kBoard.memory) {
      for (std::uint64_t frame = region.base / kPage; frame < (region.base + region.size) / kPage; ++frame) {
        if (frame >= without_from && frame - without_from < without) continue;
        if (const auto wrong = walk.leaf(frame, {frame, 1}, base::Access::kReadWriteExecute)) return wrong;
      }
    }
    for (const board::Mmio& window : board::kBoard.mmio) {
      if (window.owner != board::Owner::kParent) continue;
      const FrameRun frames{window.base / kPage, window.size / kPage};
      if (const auto wrong = walk.leaf(frames.first, frames, base::Access::kDevice)) return wrong;
    }
    for (const board::Device& device : board::kBoard.devices) {
      if (device.mmio_size == 0 || device.owner == board::Owner::kMonitor) continue;
      const FrameRun frames{device.mmio_base / kPage, device.mmio_size / kPage};
      if (const auto wrong = walk.leaf(frames.first, frames, base::Access::kDevice)) return wrong;
    }
    return walk.complete();
  }
  std::optional<Objection> walk_enclave(std::uint64_t page, std::uint64_t frame, base::Access access) {
    OwnershipMap::Walk walk(*map_, kEnclave);
    const auto wrong = walk.leaf(page, {frame, 1}, access);
    return wrong ? wrong : walk.complete();
  }

  std::unique_ptr<OwnershipMap> map_ = std::make_unique<OwnershipMap>();
  static constexpr std::uint64_t kEnclavePage = board::kBoard.enclave_ram_base / kPage;
};

TEST_F(TheMap, ObjectsToATableThatGoesOnReachingWhatWasDonated) {
  EXPECT_FALSE(walk_parent());
  ASSERT_FALSE(call(Function::kMemoryDonate, {kUid, kRam, kPage}));
  const auto wrong = walk_parent();
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->where, kFirst);
  EXPECT_FALSE(walk_parent(kFirst, 1));
}

TEST_F(TheMap, ObjectsToATableThatMissesWhatIsItsOwn) {
  EXPECT_TRUE(walk_parent(kFirst + 1, 1));
  ASSERT_FALSE(call(Function::kMemoryDonate, {kUid, kRam, kPage}));
  EXPECT_TRUE(OwnershipMap::Walk(*map_, kEnclave).complete());
}

TEST_F(TheMap, ObjectsToAnotherAddressAndAnotherAccess) {
  ASSERT_FALSE(call(Function::kMemoryDonate, {kUid, kRam, kPage}));
  EXPECT_FALSE(walk_enclave(kEnclavePage, kFirst, base::Access::kReadWriteExecute));
  EXPECT_TRUE(walk_enclave(kEnclavePage + 1, kFirst, base::Access::kReadWriteExecute));
  EXPECT_TRUE(walk_enclave(kEnclavePage, kFirst, base::Access::kReadWrite));
  EXPECT_TRUE(walk_enclave(kEnclavePage, kFirst + 1, base::Access::kReadWriteExecute));
}

TEST_F(TheMap, ObjectsToTheMonitorsMemoryInATable) {
  const std::uint64_t own = board::kBoard.monitor.base / kPage;
  EXPECT_TRUE(OwnershipMap::Walk(*map_, base::kParent).leaf(own, {own, 1}, base::Access::kReadWriteExecute));
  EXPECT_TRUE(OwnershipMap::Walk(*map_, base::kParent).leaf(own, {own, 1}, base::Access::kDevice));
}

TEST_F(TheMap, ObjectsToMemoryGivenAwayTwice) {
  ASSERT_FALSE(call(Function::kMemoryDonate, {kUid, kRam, 2 * kPage}));
  EXPECT_TRUE(call(Function::kMemoryDonate, {kUid, kRam + kPage, kPage}));
  EXPECT_TRUE(call(Function::kChannelOpen, {kUid, kRam, kPage}));
  EXPECT_TRUE(call(Function::kMemoryDonate, {kUid, board::kBoard.monitor.base, kPage}));
}

TEST_F(TheMap, ObjectsToMemoryThatComesBackUnscrubbedOrFromTheMiddle) {
  ASSERT_FALSE(call(Function::kMemoryDonate, {kUid, kRam, 2 * kPage}));
  EXPECT_TRUE(call(Function::kMemoryReclaim, {kUid, kRam + kPage, kPage}));
  EXPECT_TRUE(call(Function::kMemoryReclaim, {kUid, kRam, kPage}, 0, true));
  ASSERT_FALSE(call(Function::kMemoryReclaim, {kUid, kRam + kPage, kPage}, 0, true));
  EXPECT_EQ(map_->at(kFirst + 1), OwnershipMap::Frame{});  // with nobody until it is zero
  ASSERT_FALSE(map_->step({.kind = AskedKind::kScrubbed, .slot = base::SlotIndex{0}}, {}));
  EXPECT_EQ(map_->at(kFirst + 1).owner, base::kParent);
}

TEST_F(TheMap, ObjectsToACoreThatIsGivenAwayWhileItRuns) {
  EXPECT_TRUE(call(Function::kCoreDonate, {kUid, board::kBoard.cores[0].mpidr}));
  ASSERT_FALSE(call(Function::kCoreDonate, {kUid, board::kBoard.cores[1].mpidr}));
  EXPECT_TRUE(map_->step({.kind = AskedKind::kCall, .caller = base::kParent, .function = cofferdam_abi::kPsciCpuOn,
                          .arguments = {board::kBoard.cores[1].mpidr, kRam}},
                         {}));
}

TEST_F(TheMap, ObjectsToAnEnclaveThatChangesAfterItsStart) {
  ASSERT_FALSE(call(Function::kMemoryDonate, {kUid, kRam, kPage}));
  ASSERT_FALSE(call(Function::kCoreDonate, {kUid, board::kBoard.cores[1].mpidr}));
  ASSERT_FALSE(call(Function::kSlotStart, {kUid, 0, 16, 0}, 0, true));
  EXPECT_TRUE(call(Function::kMemoryDonate, {kUid, kRam + kPage, kPage}));
  EXPECT_TRUE(call(Function::kMemoryReclaim, {kUid, kRam, kPage}, 0, true));
}

TEST_F(TheMap, ARefusalChangesNothing) {
  const auto moves = map_->moves();
  EXPECT_FALSE(map_->step({.kind = AskedKind::kCall, .caller = base::kParent,
                           .function = static_cast<std::uint32_t>(Function::kMemoryDonate), .arguments = {kUid, kRam, kPage}},
                          {.x0 = ~static_cast<std::uint64_t>(base::Error::kNoTables) + 1}));
  EXPECT_EQ(map_->moves(), moves);
  EXPECT_FALSE(walk_parent());
}

}  // namespace
}  // namespace model
