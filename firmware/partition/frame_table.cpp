#include "firmware/partition/frame_table.hpp"

#include <algorithm>

namespace partition {

using base::FrameNumber;
using base::kFramesPerBlock;

FrameEntry FrameTable::at(FrameNumber frame) const {
  if (frame < first_ || frame >= end()) return {};
  const std::uint64_t index = frame.value - first_.value;
  const BlockEntry& block = blocks_[index / kFramesPerBlock];
  return unpack((block.split_and_parent & kSplit) != 0 ? frames_[index] : block.uniform);
}

// A first frame below the table has an index beyond it, for the difference wraps.
std::uint64_t FrameTable::first_other(std::uint64_t index, std::uint64_t count, PackedEntry wanted) const {
  if (index >= frames_.size()) return index;
  const std::uint64_t stop = std::min(index + count, frames_.size());
  while (index < stop) {
    const BlockEntry& block = blocks_[index / kFramesPerBlock];
    const bool is_split = (block.split_and_parent & kSplit) != 0;
    if ((is_split ? frames_[index] : block.uniform) != wanted) return index;
    index = is_split ? index + 1 : (index / kFramesPerBlock + 1) * kFramesPerBlock;
  }
  return stop;  // the end of the table when the range passes it
}

// Every frame of a uniform block gets an entry of its own.
[[gnu::noinline, gnu::cold]] void FrameTable::split(std::uint64_t block) {
  BlockEntry& entry = blocks_[block];
  std::fill_n(frames_.begin() + static_cast<std::ptrdiff_t>(block * kFramesPerBlock), kFramesPerBlock, entry.uniform);
  const bool parents = entry.uniform == pack(owned_by(base::kParent));
  entry = {0, static_cast<std::uint16_t>(kSplit | (parents ? kFramesPerBlock : 0))};
}

void FrameTable::set(std::uint64_t index, std::uint64_t count, PackedEntry packed) {
  constexpr PackedEntry kParents = pack(owned_by(base::kParent));
  const std::uint64_t stop = index + count;
  while (index < stop) {
    const std::uint64_t block = index / kFramesPerBlock;
    const std::uint64_t block_end = std::min((block + 1) * kFramesPerBlock, stop);
    BlockEntry& entry = blocks_[block];
    if (block_end - index == kFramesPerBlock) {
      entry = {packed, 0};
      index = block_end;
      continue;
    }
    if ((entry.split_and_parent & kSplit) == 0) {
      if (entry.uniform == packed) {
        index = block_end;
        continue;
      }
      split(block);
    }
    std::uint32_t split_and_parent = entry.split_and_parent;  // the count stands in the low bits
    for (; index < block_end; ++index) {
      if (frames_[index] == kParents) --split_and_parent;
      if (packed == kParents) ++split_and_parent;
      frames_[index] = packed;
    }
    // What went out in pieces and came back whole is one block again.
    constexpr std::uint32_t kWhole = kSplit | kFramesPerBlock;
    entry = split_and_parent == kWhole ? BlockEntry{kParents, 0}
                                       : BlockEntry{0, static_cast<std::uint16_t>(split_and_parent)};
  }
}

}  // namespace partition
