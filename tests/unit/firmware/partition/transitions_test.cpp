// The order of effects, looked at between any two of them by a machine that forgets nothing too early: a mapping that
// was taken away can still be used until both the TLBs and the SMMU have been told.
#include "firmware/partition/transitions.hpp"

#include <gtest/gtest.h>

#include <set>
#include <tuple>
#include <vector>

#include "firmware/partition/invariants.hpp"

namespace {

using base::Access;
using base::EffectKind;
using base::FrameCount;
using base::FrameNumber;
using base::FrameRange;
using base::kParent;
using base::PartitionId;
using base::SlotIndex;
using partition::FactKind;
using partition::Transition;

constexpr SlotIndex kSlot{1};
constexpr PartitionId kEnclave = base::partition_of(kSlot);
const FrameRange kFrames = FrameRange::trusted(FrameNumber{0x44200}, FrameCount{3});
constexpr base::Ipa kIpa{0x8000'0000};

// What the CPUs and the devices of each partition can reach, cached translations included.
class Machine {
 public:
  struct Mapping {
    PartitionId partition;
    std::uint64_t frame;
    std::uint64_t ipa;
    Access access;
    auto operator<=>(const Mapping&) const = default;
  };

  void map(PartitionId partition, FrameRange frames, base::Ipa ipa, Access access) {
    for (std::uint64_t i = 0; i < frames.count().value; ++i) {
      tables_.insert({partition, frames.first().value + i, ipa.value + i * base::kFrameSize, access});
    }
  }
  void apply(const base::Effect& effect) {
    switch (effect.kind) {
      case EffectKind::kUnmapStage2:
        for (std::uint64_t i = 0; i < effect.frames.count().value; ++i) {
          const Mapping gone{effect.partition, effect.frames.first().value + i, effect.ipa.value + i * base::kFrameSize,
                             effect.access};
          EXPECT_EQ(tables_.erase(gone), 1U) << "unmaps what is not mapped so";
          tlb_.insert(gone);
          smmu_.insert(gone);
        }
        return;
      case EffectKind::kInvalidateStage2:
        std::erase_if(tlb_, [&](const Mapping& mapping) {
          return mapping.partition == effect.partition && mapping.ipa >= effect.ipa.value &&
                 mapping.ipa < effect.ipa.value + effect.frames.bytes();
        });
        return;
      case EffectKind::kInvalidateSmmu:
        std::erase_if(smmu_, [&](const Mapping& mapping) { return mapping.partition == effect.partition; });
        return;
      case EffectKind::kMapStage2:
        map(effect.partition, effect.frames, effect.ipa, effect.access);
        return;
      case EffectKind::kDetachStream:
        stream_ = base::kMonitor;
        return;
      case EffectKind::kAttachStream:
        stream_ = effect.partition;
        return;
      case EffectKind::kCreateStage2:
      case EffectKind::kDestroyStage2:
      case EffectKind::kCleanFrames:
      case EffectKind::kScrubFrames:
      case EffectKind::kRouteInterrupt:
      case EffectKind::kDisableInterrupt:
      case EffectKind::kStartCore:
      case EffectKind::kStopCores:
      case EffectKind::kInjectInterrupt:
        return;
    }
  }
  [[nodiscard]] std::set<PartitionId> who_reaches(std::uint64_t frame) const {
    std::set<PartitionId> all;
    for (const auto* set : {&tables_, &tlb_, &smmu_}) {
      for (const Mapping& mapping : *set) {
        if (mapping.frame == frame) all.insert(mapping.partition);
      }
    }
    return all;
  }
  [[nodiscard]] std::vector<partition::Reach> reaches() const {
    std::vector<partition::Reach> all;
    for (const auto* set : {&tables_, &tlb_, &smmu_}) {
      for (const Mapping& mapping : *set) {
        all.push_back({mapping.partition, FrameRange::trusted(FrameNumber{mapping.frame}, FrameCount{1})});
      }
    }
    return all;
  }
  [[nodiscard]] bool nothing_stale() const { return tlb_.empty() && smmu_.empty(); }
  [[nodiscard]] const std::set<Mapping>& tables() const { return tables_; }
  PartitionId stream_{kParent};

 private:
  std::set<Mapping> tables_, tlb_, smmu_;
};

void expect_reversible_first(const Transition& transition) {
  bool irreversible = false;
  for (const base::Effect& effect : transition.effects) {
    EXPECT_FALSE(irreversible && base::is_reversible(effect.kind));
    irreversible = irreversible || !base::is_reversible(effect.kind);
  }
  EXPECT_FALSE(transition.overflow);
}

// Applies one after another; after each, no frame is within reach of two.
void apply_exclusively(Machine& machine, const Transition& transition) {
  expect_reversible_first(transition);
  for (const base::Effect& effect : transition.effects) {
    machine.apply(effect);
    for (std::uint64_t frame = kFrames.first().value; frame < kFrames.end().value; ++frame) {
      EXPECT_LE(machine.who_reaches(frame).size(), 1U) << "after effect " << static_cast<int>(effect.kind);
    }
  }
  EXPECT_TRUE(machine.nothing_stale());
}

TEST(Transitions, DonatingIsExclusiveBetweenAnyTwoEffects) {
  Machine machine;
  machine.map(kParent, kFrames, partition::parent_ipa(kFrames), Access::kReadWriteExecute);
  Transition transition;
  partition::plan_donate(transition, kSlot, kFrames, kIpa);
  apply_exclusively(machine, transition);
  EXPECT_EQ(machine.who_reaches(kFrames.first().value), std::set<PartitionId>{kEnclave});
  ASSERT_EQ(transition.facts.size(), 1U);
  EXPECT_EQ(transition.facts[0].kind, FactKind::kMemoryDonated);
  EXPECT_EQ(transition.facts[0].frames, kFrames);
}

TEST(Transitions, ReclaimingPassesThroughNobody) {
  Machine machine;
  machine.map(kEnclave, kFrames, kIpa, Access::kReadWriteExecute);
  Transition withdraw;
  partition::plan_withdraw(withdraw, kSlot, kFrames, kIpa);
  apply_exclusively(machine, withdraw);
  EXPECT_TRUE(machine.who_reaches(kFrames.first().value).empty()) << "scrubbed while nobody reaches it";
  EXPECT_EQ(withdraw.facts[0].kind, FactKind::kMemoryScrubbing);
  Transition back;
  partition::plan_return(back, kSlot, kFrames);
  apply_exclusively(machine, back);
  EXPECT_EQ(machine.who_reaches(kFrames.first().value), std::set<PartitionId>{kParent});
  EXPECT_EQ(machine.tables().begin()->ipa, kFrames.address().value) << "where it was before";
  EXPECT_EQ(back.facts[0].kind, FactKind::kMemoryReturned);
}

TEST(Transitions, SharingAddsOneAndTakesItAwayForCertain) {
  Machine machine;
  machine.map(kParent, kFrames, partition::parent_ipa(kFrames), Access::kReadWriteExecute);
  Transition share;
  partition::plan_share(share, kSlot, base::ChannelIndex{2}, kFrames, kIpa);
  expect_reversible_first(share);
  for (const base::Effect& effect : share.effects) machine.apply(effect);
  EXPECT_EQ(machine.who_reaches(kFrames.first().value), (std::set<PartitionId>{kParent, kEnclave}));
  for (const Machine::Mapping& mapping : machine.tables()) {
    if (mapping.partition == kEnclave) {
      EXPECT_EQ(mapping.access, Access::kReadWrite) << "the parent writes it: never code";
    }
  }
  Transition unshare;
  partition::plan_unshare(unshare, kSlot, base::ChannelIndex{2}, kFrames, kIpa);
  expect_reversible_first(unshare);
  for (const base::Effect& effect : unshare.effects) machine.apply(effect);
  EXPECT_TRUE(machine.nothing_stale());
  EXPECT_EQ(machine.who_reaches(kFrames.first().value), std::set<PartitionId>{kParent});
}

TEST(Transitions, ADeviceAbortsWhileItMoves) {
  Machine machine;
  const FrameRange registers = kFrames;
  machine.map(kParent, registers, partition::parent_ipa(registers), Access::kDevice);
  Transition move;
  partition::plan_move_device(move, base::StreamId{8}, partition::Stream::kAttached, registers, kParent, kEnclave);
  expect_reversible_first(move);
  for (const base::Effect& effect : move.effects) {
    machine.apply(effect);
    const std::set<PartitionId> drivers = machine.who_reaches(registers.first().value);
    EXPECT_LE(drivers.size(), 1U);
    // Whoever drives the device decides what it reads and writes: never in another's memory.
    if (machine.stream_ != base::kMonitor && !drivers.empty()) {
      EXPECT_EQ(*drivers.begin(), machine.stream_);
    }
  }
  EXPECT_EQ(machine.stream_, base::kMonitor) << "what the parent had it do may still be queued in it";
  Transition accept;
  partition::plan_accept_device(accept, base::StreamId{8}, kEnclave);
  for (const base::Effect& effect : accept.effects) machine.apply(effect);
  EXPECT_EQ(machine.stream_, kEnclave);
  EXPECT_EQ(machine.who_reaches(registers.first().value), std::set<PartitionId>{kEnclave});
  EXPECT_TRUE(machine.nothing_stale());
}

// A failure at any effect: what came before, undone in reverse order, gives the machine back.
TEST(Transitions, EveryPrefixCanBeUndone) {
  std::vector<std::tuple<Transition, PartitionId, base::Ipa, Access>> moves(3);
  partition::plan_donate(std::get<0>(moves[0]), kSlot, kFrames, kIpa);
  std::get<1>(moves[0]) = kParent, std::get<2>(moves[0]) = partition::parent_ipa(kFrames);
  partition::plan_withdraw(std::get<0>(moves[1]), kSlot, kFrames, kIpa);
  std::get<1>(moves[1]) = kEnclave, std::get<2>(moves[1]) = kIpa;
  partition::plan_move_device(std::get<0>(moves[2]), base::StreamId{8}, partition::Stream::kAttached, kFrames, kParent,
                              kEnclave);
  std::get<1>(moves[2]) = kParent, std::get<2>(moves[2]) = partition::parent_ipa(kFrames);
  std::get<3>(moves[2]) = Access::kDevice;
  for (const auto& [transition, owner, ipa, access] : moves) {
    for (std::size_t failing = 0; failing < transition.effects.size(); ++failing) {
      if (!base::is_reversible(transition.effects[failing].kind)) break;
      Machine machine;
      machine.map(owner, kFrames, ipa, access);
      const auto before = machine.tables();
      for (std::size_t i = 0; i < failing; ++i) machine.apply(transition.effects[i]);
      for (std::size_t i = failing; i-- > 0;) {
        const base::Effect& effect = transition.effects[i];
        if (effect.kind == EffectKind::kUnmapStage2) {
          machine.map(effect.partition, effect.frames, effect.ipa, effect.access);  // access is what undoing gives back
        }
        if (effect.kind == EffectKind::kDetachStream) machine.stream_ = effect.partition;
        if (effect.kind == EffectKind::kAttachStream) machine.stream_ = base::kMonitor;
      }
      EXPECT_EQ(machine.tables(), before);
      EXPECT_EQ(machine.stream_, kParent);
    }
  }
}

TEST(Transitions, TheLowestForeignFrameDecides) {
  std::vector<partition::BlockEntry> blocks(1);
  std::vector<partition::PackedEntry> frames(base::kFramesPerBlock);
  partition::FrameTable table{FrameNumber{0}, blocks, frames};
  const auto range = [](std::uint64_t first, std::uint64_t count) {
    return FrameRange::trusted(FrameNumber{first}, FrameCount{count});
  };
  table.set(range(0, 100), partition::owned_by(kParent));
  table.set(range(10, 1), partition::shared_with(kEnclave));
  table.set(range(20, 1), partition::owned_by(kEnclave));
  table.set(range(30, 1), partition::scrubbing_from(kEnclave));
  EXPECT_TRUE(partition::check_parents(table, range(0, 10)).ok());
  const auto error = [&](std::uint64_t first, std::uint64_t count) {
    return partition::check_parents(table, range(first, count)).error();
  };
  EXPECT_EQ(error(0, 100), base::Error::kShared);
  EXPECT_EQ(error(11, 89), base::Error::kNotOwned);
  EXPECT_EQ(error(21, 79), base::Error::kNotOwned);
  EXPECT_EQ(error(31, 70), base::Error::kOutOfRange);
  EXPECT_EQ(error(31, 600), base::Error::kOutOfRange) << "beyond the table, too";
  EXPECT_EQ(error(1000, 1), base::Error::kOutOfRange);
}

// No more reach than the frame table allows.
TEST(Transitions, ExclusiveIsAPredicateOverReachAndTable) {
  std::vector<partition::BlockEntry> blocks(1);
  std::vector<partition::PackedEntry> frames(base::kFramesPerBlock);
  const FrameRange mine = FrameRange::trusted(FrameNumber{8}, FrameCount{4});
  partition::FrameTable table{FrameNumber{0}, blocks, frames};
  table.set(mine, partition::owned_by(kEnclave));
  const partition::Reach good[] = {{kEnclave, mine}};
  EXPECT_TRUE(partition::exclusive(table, good));
  const partition::Reach bad[] = {{kEnclave, mine}, {kParent, FrameRange::trusted(FrameNumber{11}, FrameCount{1})}};
  EXPECT_FALSE(partition::exclusive(table, bad));
  const partition::Reach wide[] = {{kEnclave, FrameRange::trusted(FrameNumber{8}, FrameCount{5})}};
  EXPECT_FALSE(partition::exclusive(table, wide));
}

}  // namespace
