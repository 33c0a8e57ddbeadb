// What a board costs the monitor: how many frames it keeps account of, how many table frames suffice in every case.
//
// Bounds of the fixed tables stand here too. docs/board-xml.md, "What the monitor needs", derives the formula of
// table_frames(). Units: frames of 4 KiB unless a name says bytes. Precondition of every function: ranges don't wrap.
#pragma once

#include <cstddef>

#include "firmware/base/address.hpp"
#include "firmware/board/tables.hpp"

namespace board {

inline constexpr std::uint64_t kStage2Bits = 39;  // IPA size of every partition: one root frame at level 1
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
inline constexpr base::Intid kDoorbell{1019};  // of channels: part of the published calls, so no board's to give away
inline constexpr std::uint32_t kWatchdogSpi = 1018;  // the watchdog's that the monitor plays; then no device has it
inline constexpr std::uint64_t kGicAlignment = 0x1'0000;
// An ITS has a frame of control registers, then the one that takes messages (Arm IHI 0069, 12.18).
inline constexpr std::uint64_t kItsBytes = 0x2'0000;
inline constexpr std::uint64_t kItsMessages = 0x1'0000;
inline constexpr std::uint64_t kStrideGicV3 = 0x2'0000;
inline constexpr std::uint64_t kStrideGicV4 = 0x4'0000;

// The monitor's RAM from its base: device tree of the machine and handover, then the image, then the rest.
inline constexpr std::uint64_t kHandoverOffset = 0x10'0000;
inline constexpr std::uint64_t kImageOffset = 0x20'0000;
inline constexpr std::uint64_t kImageBytes = 0x20'0000;   // code, data, stacks: an upper bound that linker/ keeps
inline constexpr std::uint64_t kFrameEntryBytes = 4;      // of the frame table, an upper bound
inline constexpr std::uint64_t kRegionEntryBytes = 16;    // of an enclave's table of regions
inline constexpr std::uint64_t kMaxTableFrames = 0xFFFF;  // the pool of table frames counts in 16 bits

[[nodiscard]] constexpr std::uint64_t memory_bytes(const Board& board) {
  std::uint64_t bytes = 0;
  for (const MemoryRegion& region : board.memory) bytes += region.size;
  return bytes;
}

// Where the board's RAM begins, the monitor's part included.
[[nodiscard]] constexpr std::uint64_t ram_base(const Board& board) {
  std::uint64_t base = board.monitor.base;
  for (const MemoryRegion& region : board.memory) base = region.base < base ? region.base : base;
  return base;
}

// A board says how much memory it may have; a machine has what lies below `end`.
[[nodiscard]] constexpr std::uint64_t present_bytes(const MemoryRegion& region, std::uint64_t end) {
  if (end <= region.base) return 0;
  return end - region.base < region.size ? end - region.base : region.size;
}
[[nodiscard]] constexpr std::uint64_t present_bytes(const Board& board, std::uint64_t end) {
  std::uint64_t bytes = 0;
  for (const MemoryRegion& region : board.memory) bytes += present_bytes(region, end);
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

inline constexpr std::uint64_t kRootFrames = 1;

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
  // The page where its devices write messages (base::Access::kMessages).
  if (board.message_interrupts.offered) add_registers(board.gic_distributor, base::kFrameSize);
  return frames;
}

// All enclaves together. A frame belongs to one of them or is shared with one of them. Each has its RAM in one piece
// of IPA and each channel in a block of its own; so level 3 is bounded by the RAM of the board, and for each enclave
// one more for the end of its RAM and one for each channel. Level 2: the RAM of the board in GiB, and for each enclave
// two ends of its RAM and two for its channels. Registers of assigned devices count once more, for whoever has them.
[[nodiscard]] constexpr std::uint64_t enclave_table_frames(const Board& board) {
  constexpr std::uint64_t kLevel2OfEach = 4;
  std::uint64_t frames = memory_bytes(board) / base::kBlockSize + memory_bytes(board) / kGibibyte;
  frames +=
      board.limits.enclaves * (kRootFrames + 1 + std::uint64_t{board.limits.channels_per_enclave} + kLevel2OfEach);
  for (const Device& device : board.devices) {
    if (device.owner != Owner::kAssignable || device.mmio_size == 0) continue;
    frames += touched(device.mmio_base, device.mmio_size, kGibibyte) + 2;
  }
  return frames;
}

[[nodiscard]] constexpr std::uint64_t table_frames(const Board& board) {
  return parent_table_frames(board) + enclave_table_frames(board);
}

[[nodiscard]] constexpr std::uint64_t frame_table_bytes(const Board& board) {
  return frame_table_frames(board) * kFrameEntryBytes;
}
[[nodiscard]] constexpr std::uint64_t region_table_bytes(const Board& board) {
  return std::uint64_t{board.limits.enclaves} * board.limits.regions_per_enclave * kRegionEntryBytes;
}
[[nodiscard]] constexpr std::uint64_t monitor_bytes_needed(const Board& board) {
  return kImageOffset + kImageBytes + base::align_up(frame_table_bytes(board), base::kFrameSize) +
         base::align_up(region_table_bytes(board), base::kFrameSize) + table_frames(board) * base::kFrameSize;
}

}  // namespace board
