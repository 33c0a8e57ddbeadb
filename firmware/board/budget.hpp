// What a board costs the monitor: how many frames it keeps account of, how many table frames suffice in every case.
//
// Bounds of the fixed tables stand here too. docs/board-xml.md, "What the monitor needs", derives the formula of
// table_frames(). Units: frames of 4 KiB unless a name says bytes. Precondition of every function: ranges don't wrap.
#pragma once

#include <cstddef>

#include "firmware/base/address.hpp"
#include "firmware/board/tables.hpp"

namespace board {

inline constexpr std::uint64_t kStage2Bits = 40;  // IPA size of every partition
inline constexpr std::uint64_t kStage2Top = std::uint64_t{1} << kStage2Bits;
inline constexpr std::uint64_t kGibibyte = std::uint64_t{1} << 30;

inline constexpr std::size_t kMaxMemoryRegions = 16;
inline constexpr std::size_t kMaxBoardCores = 64;  // sets of cores are one 64-bit word
inline constexpr std::size_t kMaxWindows = 64;
inline constexpr std::size_t kMaxDevices = 64;
inline constexpr std::size_t kMaxInterrupts = 256;
inline constexpr std::uint32_t kMaxBoardEnclaves = 62;  // with monitor and parent: sets of partitions are one word
inline constexpr std::uint32_t kMaxBoardRegions = 4096;
inline constexpr std::uint32_t kMaxBoardChannels = 16;
inline constexpr std::uint64_t kMpidrAffinity = 0xFF'00FF'FFFF;  // Aff3, Aff2, Aff1, Aff0 of MPIDR_EL1
inline constexpr std::uint32_t kFirstSpi = 32;
inline constexpr std::uint32_t kLastSpi = 1019;
inline constexpr std::uint64_t kGicAlignment = 0x1'0000;
inline constexpr std::uint64_t kStrideGicV3 = 0x2'0000;
inline constexpr std::uint64_t kStrideGicV4 = 0x4'0000;

// The monitor's RAM from its base: device tree of the machine and handover, then the image, then the rest.
inline constexpr std::uint64_t kHandoverOffset = 0x10'0000;
inline constexpr std::uint64_t kImageOffset = 0x20'0000;
inline constexpr std::uint64_t kImageBytes = 0x20'0000;      // code, data, stacks: an upper bound that linker/ keeps
inline constexpr std::uint64_t kFrameEntryBytes = 8;         // of the frame table, an upper bound

[[nodiscard]] constexpr std::uint64_t memory_bytes(const Board& board) {
  std::uint64_t bytes = 0;
  for (const MemoryRegion& region : board.memory) bytes += region.size;
  return bytes;
}

// The frame table runs from the lowest frame that a partition can own to the highest, holes included.
[[nodiscard]] constexpr std::uint64_t frame_table_base(const Board& board) {
  std::uint64_t base = ~std::uint64_t{0};
  for (const MemoryRegion& region : board.memory) base = region.base < base ? region.base : base;
  return base;
}
[[nodiscard]] constexpr std::uint64_t frame_table_frames(const Board& board) {
  std::uint64_t end = 0;
  for (const MemoryRegion& region : board.memory) {
    end = region.base + region.size > end ? region.base + region.size : end;
  }
  return (end - frame_table_base(board)) >> base::kFrameShift;
}

// How many naturally aligned pieces of `piece` bytes a range touches.
[[nodiscard]] constexpr std::uint64_t touched(std::uint64_t base, std::uint64_t size, std::uint64_t piece) {
  return size == 0 ? 0 : (base + size - 1) / piece - base / piece + 1;
}

inline constexpr std::uint64_t kRootFrames = 2;  // level 1 of a 40-bit IPA: 1024 entries, two concatenated tables

// The parent: every 2 MiB block of RAM may be split by a donation, and each end of a window of registers that does
// not fill its block. Level 2 for each GiB touched.
[[nodiscard]] constexpr std::uint64_t parent_table_frames(const Board& board) {
  std::uint64_t frames = kRootFrames;
  for (const MemoryRegion& region : board.memory) {
    frames += touched(region.base, region.size, kGibibyte) + touched(region.base, region.size, base::kBlockSize);
  }
  const auto add_registers = [&](std::uint64_t base, std::uint64_t size) {
    frames += touched(base, size, kGibibyte);
    if (base::is_aligned(base, base::kBlockSize) && base::is_aligned(size, base::kBlockSize)) return;
    const std::uint64_t blocks = touched(base, size, base::kBlockSize);
    frames += blocks < 2 ? blocks : 2;
  };
  for (const Mmio& window : board.mmio) {
    if (window.owner == Owner::kParent) add_registers(window.base, window.size);
  }
  for (const Device& device : board.devices) {
    if (device.owner != Owner::kMonitor) add_registers(device.mmio_base, device.mmio_size);
  }
  return frames;
}

// All enclaves together. A frame belongs to one of them or is shared with one of them, and each has its RAM in one
// piece and its channels in `channels_per_enclave` pieces of IPA; so level 3 is bounded by the RAM of the board and
// two ends for each piece. Registers of assigned devices count once more, for whoever has them.
[[nodiscard]] constexpr std::uint64_t enclave_table_frames(const Board& board) {
  const std::uint64_t blocks = memory_bytes(board) / base::kBlockSize;
  const std::uint64_t gibibytes = base::align_up(memory_bytes(board), kGibibyte) / kGibibyte;
  const std::uint64_t pieces = 1 + std::uint64_t{board.limits.channels_per_enclave};
  std::uint64_t frames = blocks + gibibytes;
  frames += board.limits.enclaves * (kRootFrames + 2 * pieces /* level 3 ends */ + 2 * pieces /* level 2 ends */);
  for (const Device& device : board.devices) {
    if (device.owner != Owner::kAssignable || device.mmio_size == 0) continue;
    frames += touched(device.mmio_base, device.mmio_size, kGibibyte) + 2;
  }
  return frames;
}

[[nodiscard]] constexpr std::uint64_t table_frames(const Board& board) {
  return parent_table_frames(board) + enclave_table_frames(board);
}

[[nodiscard]] constexpr std::uint64_t monitor_bytes_needed(const Board& board) {
  return kImageOffset + kImageBytes + base::align_up(frame_table_frames(board) * kFrameEntryBytes, base::kFrameSize) +
         table_frames(board) * base::kFrameSize;
}

}  // namespace board
