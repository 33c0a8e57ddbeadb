// The state of every frame: the one answer to "who owns this memory?".
//
// Two levels: a block of 2 MiB is either uniform (one entry stands for its 512 frames) or split (each frame has
// its own). So a whole block costs one store, whatever the size of RAM. Memory: 2 bytes a frame plus 4 a block,
// about 0.05 % of RAM. Storage belongs to the caller; the table never allocates.
#pragma once

#include <cstdint>
#include <span>

#include "firmware/base/ids.hpp"
#include "firmware/partition/frame_state.hpp"

namespace partition {

struct BlockEntry {
  PackedEntry uniform{};             // meaningful when !split
  std::uint16_t split_and_parent{};  // bit 15: split; bits 0..9: frames that are owned_by(kParent) when split
};

class FrameTable {
 public:
  constexpr FrameTable() = default;
  // Preconditions: `first` starts a block; blocks.size() * 512 == frames.size(). Every frame starts as kNone.
  constexpr FrameTable(base::FrameNumber first, std::span<BlockEntry> blocks, std::span<PackedEntry> frames)
      : first_(first), blocks_(blocks), frames_(frames) {}

  [[nodiscard]] constexpr base::FrameNumber first() const { return first_; }
  [[nodiscard]] constexpr base::FrameNumber end() const { return base::FrameNumber{first_.value + frames_.size()}; }

  // kNone outside the table. Any caller.
  [[nodiscard]] FrameEntry at(base::FrameNumber frame) const;
  // Does every frame of the range have this entry? False when a part lies outside the table. Looks at each frame
  // of split blocks and once at each uniform block, so at both ends and everything between.
  [[nodiscard]] bool all(base::FrameRange range, FrameEntry entry) const {
    return !range.empty() && first_other(range, entry) == range.end();
  }
  // The first frame of the range whose entry differs; range.end() when none does.
  [[nodiscard]] base::FrameNumber first_other(base::FrameRange range, FrameEntry entry) const {
    return base::FrameNumber{first_.value + first_other(index_of(range), range.count().value, pack(entry))};
  }
  // Precondition: the range lies inside the table.
  void set(base::FrameRange range, FrameEntry entry) { set(index_of(range), range.count().value, pack(entry)); }

 private:
  static constexpr std::uint16_t kSplit = 0x8000;
  [[nodiscard]] std::uint64_t index_of(base::FrameRange range) const { return range.first().value - first_.value; }
  [[nodiscard]] std::uint64_t first_other(std::uint64_t index, std::uint64_t count, PackedEntry wanted) const;
  void set(std::uint64_t index, std::uint64_t count, PackedEntry packed);
  void split(std::uint64_t block);

  base::FrameNumber first_{};
  std::span<BlockEntry> blocks_{};
  std::span<PackedEntry> frames_{};
};

}  // namespace partition
