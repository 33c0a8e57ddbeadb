#include "firmware/partition/frame_table.hpp"

#include <algorithm>

namespace partition {

using base::FrameNumber;
using base::FrameRange;
using base::kFramesPerBlock;

FrameEntry FrameTable::at(FrameNumber frame) const {
  if (frame < first_ || frame >= end()) return {};
  const std::uint64_t index = frame.value - first_.value;
  const BlockEntry& block = blocks_[index / kFramesPerBlock];
  return unpack((block.split_and_parent & kSplit) != 0 ? frames_[index] : block.uniform);
}

FrameNumber FrameTable::first_other(FrameRange range, FrameEntry entry) const {
  if (range.first() < first_ || range.first() >= end()) return range.first();
  const PackedEntry wanted = pack(entry);
  const std::uint64_t stop = std::min(range.end().value, end().value) - first_.value;
  for (std::uint64_t index = range.first().value - first_.value; index < stop;) {
    const BlockEntry& block = blocks_[index / kFramesPerBlock];
    const std::uint64_t block_end = std::min((index / kFramesPerBlock + 1) * kFramesPerBlock, stop);
    if ((block.split_and_parent & kSplit) == 0) {
      if (block.uniform != wanted) return FrameNumber{first_.value + index};
      index = block_end;
    } else {
      for (; index < block_end; ++index) {
        if (frames_[index] != wanted) return FrameNumber{first_.value + index};
      }
    }
  }
  return FrameNumber{first_.value + stop};  // the end of the table when the range passes it
}

bool FrameTable::all(FrameRange range, FrameEntry entry) const {
  return !range.empty() && first_other(range, entry) == range.end();
}

void FrameTable::set(FrameRange range, FrameEntry entry) {
  const PackedEntry packed = pack(entry);
  const std::uint64_t stop = range.end().value - first_.value;
  for (std::uint64_t index = range.first().value - first_.value; index < stop;) {
    const std::uint64_t block = index / kFramesPerBlock;
    const std::uint64_t block_end = std::min((block + 1) * kFramesPerBlock, stop);
    if (block_end - index == kFramesPerBlock) {
      blocks_[block] = {packed, 0};
    } else {
      set_in_block(block, index, block_end, packed);
    }
    index = block_end;
  }
}

void FrameTable::set_in_block(std::uint64_t block, std::uint64_t from, std::uint64_t to, PackedEntry packed) {
  BlockEntry& entry = blocks_[block];
  const PackedEntry parent = pack(owned_by(base::kParent));
  if ((entry.split_and_parent & kSplit) == 0) {
    if (entry.uniform == packed) return;
    std::fill_n(frames_.begin() + static_cast<std::ptrdiff_t>(block * kFramesPerBlock), kFramesPerBlock, entry.uniform);
    entry.split_and_parent =
        static_cast<std::uint16_t>(kSplit | (entry.uniform == parent ? kFramesPerBlock : 0));
  }
  std::uint16_t owned_by_parent = entry.split_and_parent & static_cast<std::uint16_t>(~kSplit);
  for (std::uint64_t index = from; index < to; ++index) {
    if (frames_[index] == parent) --owned_by_parent;
    if (packed == parent) ++owned_by_parent;
    frames_[index] = packed;
  }
  // What went out in pieces and came back whole is one block again.
  entry = owned_by_parent == kFramesPerBlock ? BlockEntry{parent, 0}
                                             : BlockEntry{0, static_cast<std::uint16_t>(kSplit | owned_by_parent)};
}

}  // namespace partition
