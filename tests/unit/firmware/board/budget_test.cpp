// board::table_frames() suffices: real stage-2 tables of board host, driven by a parent that wants them to run out.
#include "firmware/board/budget.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <vector>

#include "board_tables.hpp"
#include "hal/stage2/table_builder.hpp"

namespace {

using base::FrameCount;
using base::FrameNumber;
using base::FrameRange;
using base::Ipa;

// Tables as plain arrays, and a pool of a fixed number.
class Memory {
 public:
  explicit Memory(std::size_t capacity) : tables_(capacity), used_(capacity) {
    for (std::size_t i = capacity; i-- > 0;) free_.push_back(i);
  }
  std::uint64_t read_descriptor(FrameNumber table, std::size_t index) { return tables_[table.value][index]; }
  void write_descriptor(FrameNumber table, std::size_t index, std::uint64_t value) {
    tables_[table.value][index] = value;
  }
  void publish() {}
  base::Status invalidate(Ipa, FrameCount) { return {}; }
  base::Result<FrameNumber> allocate_table() {
    if (free_.empty()) return base::Error::kNoTables;
    const std::size_t table = free_.back();
    free_.pop_back();
    tables_[table].fill(0);
    used_[table] = 0;
    most_ = std::max(most_, tables_.size() - free_.size());
    return FrameNumber{table};
  }
  void free_table(FrameNumber table) { free_.push_back(table.value); }
  std::size_t available_tables() { return free_.size(); }
  std::uint16_t& used_entries(FrameNumber table) { return used_[table.value]; }
  [[nodiscard]] std::size_t most() const { return most_; }

 private:
  std::vector<std::array<std::uint64_t, 512>> tables_;
  std::vector<std::uint16_t> used_;
  std::vector<std::size_t> free_;
  std::size_t most_ = 0;
};

// The parent and its enclaves as far as tables go: memory moves between them as the calls move it.
class Machine {
 public:
  explicit Machine(std::size_t capacity) : memory_(capacity), builder_(memory_), parent_(*builder_.create()) {
    for (const board::MemoryRegion& region : board::kBoard.memory) {
      EXPECT_TRUE(map_parent(FrameRange::from_bytes(region.base, region.size).value()));
    }
    for (const board::Mmio& window : board::kBoard.mmio) {
      if (window.owner != board::Owner::kParent) continue;
      EXPECT_TRUE(builder_.map(parent_, Ipa{window.base}, FrameRange::from_bytes(window.base, window.size).value(),
                               base::Access::kDevice));
    }
    for (Enclave& enclave : enclaves_) enclave.root = *builder_.create();
  }

  struct Enclave {
    FrameNumber root{};
    std::uint64_t bytes = 0;
    std::vector<FrameRange> regions;
    std::array<std::optional<FrameRange>, board::kMaxChannelsPerEnclave> channels{};
  };

  // False: the tables ran out.
  bool donate(std::size_t index, FrameRange frames) {
    Enclave& enclave = enclaves_[index];
    if (!builder_.unmap(parent_, ipa_of(frames), frames.count())) return false;
    if (!builder_.map(enclave.root, Ipa{board::kBoard.enclave_ram_base + enclave.bytes}, frames,
                      base::Access::kReadWriteExecute)) {
      return false;
    }
    enclave.bytes += frames.bytes();
    enclave.regions.push_back(frames);
    return true;
  }
  bool reclaim_last(std::size_t index) {
    Enclave& enclave = enclaves_[index];
    const FrameRange frames = enclave.regions.back();
    enclave.regions.pop_back();
    enclave.bytes -= frames.bytes();
    if (!builder_.unmap(enclave.root, Ipa{board::kBoard.enclave_ram_base + enclave.bytes}, frames.count()))
      return false;
    return map_parent(frames);
  }
  bool open_channel(std::size_t index, std::size_t channel, FrameRange frames) {
    enclaves_[index].channels[channel] = frames;
    return builder_.map(enclaves_[index].root, channel_ipa(channel), frames, base::Access::kReadWrite).ok();
  }
  bool close_channel(std::size_t index, std::size_t channel) {
    const FrameRange frames = *enclaves_[index].channels[channel];
    enclaves_[index].channels[channel].reset();
    return builder_.unmap(enclaves_[index].root, channel_ipa(channel), frames.count()).ok();
  }
  [[nodiscard]] bool parents(FrameNumber frame) const {
    return builder_.walk(parent_, Ipa{base::address_of(frame).value}).ok();
  }
  [[nodiscard]] bool shared(FrameRange frames) const {
    for (const Enclave& enclave : enclaves_) {
      for (const auto& channel : enclave.channels) {
        if (channel && channel->overlaps(frames)) return true;
      }
    }
    return false;
  }
  Enclave& enclave(std::size_t index) { return enclaves_[index]; }
  [[nodiscard]] std::size_t most() const { return memory_.most(); }

 private:
  static Ipa ipa_of(FrameRange frames) { return Ipa{frames.address().value}; }
  static Ipa channel_ipa(std::size_t channel) {
    return Ipa{board::kBoard.channel_ipa_base + channel * base::kBlockSize};
  }
  bool map_parent(FrameRange frames) {
    return builder_.map(parent_, ipa_of(frames), frames, base::Access::kReadWriteExecute).ok();
  }

  Memory memory_;
  hal::stage2::TableBuilder<Memory> builder_;
  FrameNumber parent_;
  std::array<Enclave, board::kMaxEnclaves> enclaves_{};
};

constexpr std::uint64_t kFirst = board::kFrameTableBase >> base::kFrameShift;
constexpr std::uint64_t kBlocks = board::kFrameTableFrames / base::kFramesPerBlock;

FrameRange frames(std::uint64_t offset, std::uint64_t count) {
  return FrameRange::trusted(FrameNumber{kFirst + offset}, FrameCount{count});
}

// The parent keeps one page of every block, so that each of its blocks stays split; each enclave has a channel in each
// window and a page more than fills its last table.
bool exhaust(Machine& machine) {
  for (std::size_t i = 0; i < board::kMaxEnclaves; ++i) {
    for (std::size_t channel = 0; channel < board::kMaxChannelsPerEnclave; ++channel) {
      const std::uint64_t block = i * board::kMaxChannelsPerEnclave + channel;
      if (!machine.open_channel(i, channel, frames(block % kBlocks * 512, 1))) return false;
    }
  }
  for (std::uint64_t block = 0; block < kBlocks; ++block) {
    const std::size_t enclave = block % board::kMaxEnclaves;
    if (!machine.donate(enclave, frames(block * 512 + 1, 511))) return false;
  }
  return true;
}

TEST(TableBudget, SufficesForTheWorstThatAParentCanDo) {
  Machine machine(board::kTableFrames);
  EXPECT_TRUE(exhaust(machine));
  RecordProperty("most", std::to_string(machine.most()));
}

// The attack is one: with fewer frames it succeeds. So the budget is no larger than twice what is needed.
TEST(TableBudget, HalfOfItWouldNotSuffice) {
  Machine machine(board::kTableFrames / 2);
  EXPECT_FALSE(exhaust(machine));
}

TEST(TableBudget, SufficesForLongRandomLives) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    std::mt19937_64 random(seed);
    Machine machine(board::kTableFrames);
    for (int step = 0; step < 20000; ++step) {
      const std::size_t index = random() % board::kMaxEnclaves;
      Machine::Enclave& enclave = machine.enclave(index);
      const std::uint64_t count = random() % 3 == 0 ? 512 * (1 + random() % 3) : 1 + random() % 700;
      const std::uint64_t offset = random() % 3 == 0 ? random() % kBlocks * 512 : random() % board::kFrameTableFrames;
      const FrameRange range = frames(offset, std::min(count, board::kFrameTableFrames - offset));
      switch (random() % 4) {
        case 0:
        case 1: {
          bool owned = enclave.regions.size() < 64 && !machine.shared(range);
          for (std::uint64_t i = 0; owned && i < range.count().value; ++i) {
            owned = machine.parents(FrameNumber{range.first().value + i});
          }
          if (owned) {
            ASSERT_TRUE(machine.donate(index, range)) << "seed " << seed << " step " << step;
          }
          break;
        }
        case 2:
          if (!enclave.regions.empty()) {
            ASSERT_TRUE(machine.reclaim_last(index)) << "seed " << seed << " step " << step;
          }
          break;
        default: {
          const std::size_t channel = random() % board::kMaxChannelsPerEnclave;
          if (enclave.channels[channel]) {
            ASSERT_TRUE(machine.close_channel(index, channel)) << "seed " << seed << " step " << step;
            break;
          }
          const FrameRange one = frames(offset, 1);
          if (machine.parents(one.first()) && !machine.shared(one)) {
            ASSERT_TRUE(machine.open_channel(index, channel, one)) << "seed " << seed << " step " << step;
          }
          break;
        }
      }
    }
  }
}

TEST(TableBudget, PiecesTouchedAreCountedAtBothEnds) {
  EXPECT_EQ(board::touched(0, 0, base::kBlockSize), 0U);
  EXPECT_EQ(board::touched(0, 1, base::kBlockSize), 1U);
  EXPECT_EQ(board::touched(base::kBlockSize - 1, 2, base::kBlockSize), 2U);
  EXPECT_EQ(board::touched(base::kBlockSize, base::kBlockSize, base::kBlockSize), 1U);
}

}  // namespace
