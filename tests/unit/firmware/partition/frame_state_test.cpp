#include "firmware/partition/frame_state.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "firmware/partition/invariants.hpp"

namespace {

using base::kParent;
using base::PartitionId;
using partition::FrameEntry;
using partition::FrameState;

constexpr PartitionId kFirstId{2}, kSecondId{3}, kLastId{63};

// Every entry that can be written with four partitions.
std::vector<FrameEntry> all_entries() {
  std::vector<FrameEntry> all;
  for (const FrameState state :
       {FrameState::kNone, FrameState::kMonitor, FrameState::kOwned, FrameState::kShared, FrameState::kScrubbing}) {
    for (const PartitionId owner : {base::kMonitor, kParent, kFirstId, kSecondId, kLastId}) {
      for (const PartitionId peer : {base::kMonitor, kParent, kFirstId, kSecondId, kLastId})
        all.push_back({state, owner, peer});
    }
  }
  return all;
}

TEST(FrameState, PackingLosesNothing) {
  for (const FrameEntry entry : all_entries()) EXPECT_EQ(partition::unpack(partition::pack(entry)), entry);
}

TEST(FrameState, ExactlyTheMovesOfTheHeaderAreLegal) {
  using partition::owned_by;
  using partition::scrubbing_from;
  using partition::shared_with;
  std::size_t legal = 0;
  for (const FrameEntry from : all_entries()) {
    for (const FrameEntry to : all_entries()) {
      if (!partition::is_well_formed(from) || !partition::is_well_formed(to)) continue;
      legal += partition::is_legal_move(from, to) ? 1 : 0;
    }
  }
  for (const PartitionId enclave : {kFirstId, kSecondId, kLastId}) {
    EXPECT_TRUE(partition::is_legal_move(owned_by(kParent), owned_by(enclave)));
    EXPECT_TRUE(partition::is_legal_move(owned_by(enclave), scrubbing_from(enclave)));
    EXPECT_TRUE(partition::is_legal_move(scrubbing_from(enclave), owned_by(kParent)));
    EXPECT_TRUE(partition::is_legal_move(owned_by(kParent), shared_with(enclave)));
    EXPECT_TRUE(partition::is_legal_move(shared_with(enclave), owned_by(kParent)));
    // What must never happen.
    EXPECT_FALSE(partition::is_legal_move(owned_by(enclave), owned_by(kParent))) << "without scrubbing";
    EXPECT_FALSE(partition::is_legal_move(shared_with(enclave), owned_by(enclave))) << "the parent still reaches it";
    EXPECT_FALSE(partition::is_legal_move(scrubbing_from(enclave), owned_by(enclave)));
  }
  EXPECT_FALSE(partition::is_legal_move(owned_by(kFirstId), owned_by(kSecondId)));
  EXPECT_EQ(legal, 5U * 3U) << "five kinds of moves for each of three enclaves, and no other";
}

TEST(FrameState, AtMostOneReachesAFrameThatIsNotShared) {
  for (const FrameEntry entry : all_entries()) {
    if (!partition::is_well_formed(entry)) continue;
    std::size_t reach = 0;
    for (const PartitionId who : {base::kMonitor, kParent, kFirstId, kSecondId, kLastId}) {
      reach += partition::may_reach(entry, who) ? 1 : 0;
    }
    EXPECT_LE(reach, entry.state == FrameState::kShared ? 2U : 1U);
    EXPECT_FALSE(partition::may_reach(entry, base::kMonitor)) << "no partition is called monitor";
  }
}

}  // namespace
