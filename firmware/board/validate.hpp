// Is this board description one that the monitor can trust? Answers with the first rule that is broken, and where.
//
// The same code runs in tools/boardgen on what it parsed, where it becomes file:line:column, and as a static_assert
// in every generated board_tables.hpp, so tables that were edited by hand don't compile. No addresses outside the
// 39-bit stage-2 input range (Arm ARM D8.2: T0SZ 25); interrupts are SPIs (Arm IHI 0069: 32..1019).
#pragma once

#include <cstddef>

#include "firmware/board/budget.hpp"
#include "firmware/board/tables.hpp"

namespace board {

enum class Rule : std::uint8_t {
  kValid,
  // any range
  kSizeZero,          // a range of no bytes
  kBaseUnaligned,     // memory: 2 MiB, registers: 4 KiB
  kSizeUnaligned,     //
  kRangeWraps,        // base + size passes the top of 64 bits
  kBeyondStage2,      // ends above 512 GiB, where stage 2 can't map it
  kOverlap,           // with `other`
  kMonitorReachable,  // something a partition reaches overlaps the monitor's memory
  kNameTwice,         // in the same table; `other` is the first
  kTooMany,           // more entries than fixed tables hold; `value` is the limit
  // memory
  kMemoryMissing,    // the parent has no memory
  kMemoryOrder,      // not in ascending order
  kHoleTooLarge,     // holes outweigh the memory: the frame table would be mostly waste
  kMonitorTooSmall,  // `value` is the number of bytes needed
  kTooManyTables,    // `value` table frames are more than the pool can count
  // cores
  kCoreMissing,      // none at all, or only one: nothing could be dedicated to an enclave
  kMpidrInvalid,     // bits outside Aff3..Aff0
  kMpidrTwice,       //
  kBootCoreMissing,  //
  kBootCoreTwice,    //
  // registers
  kWindowAssignable,        // a window belongs to the monitor or to the parent; what is assigned is a device
  kUnguardedDma,            // it writes memory past the SMMU, so it must be the monitor's
  kNotMonitorWindow,        // the monitor's own device does not lie in a window of the monitor; `value` is its address
  kConsoleWithoutRom,       // the text is to go out through a ROM that the board does not have
  kViewNotMonitors,         // the parent would see a view of what it reaches itself
  kViewTwice,               // one view of a kind
  kViewWithoutClock,        // a view of a clock that the board does not have
  kCommandDeviceHalf,       // the Nitro Enclaves device has one of its two windows
  kCommandBusSize,          // its configuration window is one bus: 1 MiB
  kCommandMemoryInvalid,    // BARs lie in a power of two of at least 64 KiB, at a multiple of itself, below 4 GiB
  kVsockContradiction,      // a window and no interrupt, or the other way round
  kVsockTakesDoorbell,      // INTID 1019 tells of channels
  kWatchdogHalf,            // one frame of the watchdog that the parent sees, without the other
  kWatchdogTaken,           // a watchdog, whose interrupt something else has
  kControllerUnaligned,     // GIC frames lie at multiples of 64 KiB
  kStrideInvalid,           // redistributors are 128 KiB apart (GICv3) or 256 KiB (GICv4)
  kRedistributorsTooSmall,  // fewer frames than cores
  kItsTooSmall,             // 128 KiB: the registers, and the page that takes the messages
  kMessagesOutOfRange,      // message interrupts are SPIs, and at least one
  kMessagesTaken,           // with `other`, which has an interrupt among them
  // devices
  kDeviceWithoutSmmu,  // nothing confines its DMA
  kDeviceUnmovable,    // assignable, but its registers can't leave the parent, or would lie where an enclave's memory
                       // does
  kStreamTwice,        //
  kStreamTooLarge,     // not a number that the SMMU can tell apart
  kStreamBitsInvalid,  // 1..32 with an SMMU, 0 without
  kSmmuContradiction,  // the protections say otherwise than the tables
  kIntidOutOfRange,    //
  kIntidTwice,         //
  // enclaves and parent
  kEnclavesOutOfRange,    // 1..62: PartitionId is the 8-bit VMID and one bit set of 64 names all partitions
  kRegionsOutOfRange,     // 1..4096
  kChannelsOutOfRange,    // 1..16
  kEnclaveMemoryInvalid,  // a multiple of 4 KiB that fits the memory
  kScrubChunkInvalid,     // a power of two, 4 KiB..2 MiB: one window of the monitor
  kEnclaveRamInvalid,     // not 2 MiB aligned, or all memory placed there would pass 512 GiB
  kChannelsInvalid,       // not 2 MiB aligned, or no room below the enclave's RAM
  kParentEntryInvalid,    // not an instruction address inside the parent's memory
};

// Which table `index` counts in.
enum class Part : std::uint8_t {
  kBoard,
  kMonitor,
  kMemory,
  kCores,
  kWindows,
  kDevices,
  kInterrupts,
  kController,
  kSmmu,
  kConsole,
  kClock,
  kEnclaves,
  kParent,
  kProtections,
  kMessages,
  kCommandDevice,
  kVsock,
};

struct Problem {
  Rule rule{};
  Part part{};
  std::size_t index{};
  Part other_part{};
  std::size_t other{};
  std::uint64_t value{};
  constexpr bool operator==(const Problem&) const = default;
};
inline constexpr Problem kValid{};

namespace rules {

// A range with the place that it came from.
struct Claim {
  std::uint64_t base{};
  std::uint64_t size{};
  Part part{};
  std::size_t index{};
};

[[nodiscard]] constexpr Problem at(Rule rule, Part part, std::size_t index, std::uint64_t value = 0) {
  return Problem{rule, part, index, {}, 0, value};
}

[[nodiscard]] constexpr bool overlap(const Claim& a, const Claim& b) {
  return a.size != 0 && b.size != 0 && a.base < b.base + b.size && b.base < a.base + a.size;
}

// One range by itself. Everything after it may add base and size without a wrap.
template <typename Report>
constexpr bool check_range(const Claim& claim, std::uint64_t alignment, Report report) {
  const auto refuse = [&](Rule rule) {
    report(at(rule, claim.part, claim.index, alignment));
    return false;
  };
  if (claim.size == 0) return refuse(Rule::kSizeZero);
  if (!base::is_aligned(claim.base, alignment)) return refuse(Rule::kBaseUnaligned);
  if (!base::is_aligned(claim.size, alignment)) return refuse(Rule::kSizeUnaligned);
  if (claim.size > ~std::uint64_t{0} - claim.base) return refuse(Rule::kRangeWraps);
  if (claim.base + claim.size > kStage2Top) return refuse(Rule::kBeyondStage2);
  return true;
}

// Calls visit(Claim) for everything that takes up addresses, memory first.
template <typename Visit>
constexpr void each_claim(const Board& board, Visit visit) {
  visit(Claim{board.monitor.base, board.monitor.size, Part::kMonitor, 0});
  for (std::size_t i = 0; i < board.memory.size(); ++i) {
    visit(Claim{board.memory[i].base, board.memory[i].size, Part::kMemory, i});
  }
  for (std::size_t i = 0; i < board.mmio.size(); ++i) {
    visit(Claim{board.mmio[i].base, board.mmio[i].size, Part::kWindows, i});
  }
  for (std::size_t i = 0; i < board.devices.size(); ++i) {
    if (board.devices[i].mmio_base == 0 && board.devices[i].mmio_size == 0) continue;
    visit(Claim{board.devices[i].mmio_base, board.devices[i].mmio_size, Part::kDevices, i});
  }
}

// Every range by itself, then every pair. False when an address is no longer safe to compute with.
template <typename Report>
constexpr bool check_ranges(const Board& board, Report report) {
  bool sound = true;
  each_claim(board, [&](const Claim& claim) {
    const bool memory = claim.part == Part::kMonitor || claim.part == Part::kMemory;
    sound = check_range(claim, memory ? base::kBlockSize : base::kFrameSize, report) && sound;
  });
  if (!sound) return false;
  each_claim(board, [&](const Claim& later) {
    bool passed = false;
    each_claim(board, [&](const Claim& earlier) {
      passed = passed || (earlier.part == later.part && earlier.index == later.index);
      if (passed || !overlap(earlier, later)) return;
      const bool guest = later.part != Part::kWindows || board.mmio[later.index].owner != Owner::kMonitor;
      const Rule rule = earlier.part == Part::kMonitor && guest ? Rule::kMonitorReachable : Rule::kOverlap;
      report(Problem{rule, later.part, later.index, earlier.part, earlier.index, 0});
    });
  });
  return true;
}

template <typename Table, typename Report>
constexpr void check_names(const Table& table, Part part, Report report) {
  for (std::size_t i = 1; i < table.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (table[i].name == table[j].name) {
        report(Problem{Rule::kNameTwice, part, i, part, j, 0});
        break;
      }
    }
  }
}

template <typename Report>
constexpr bool check_counts(const Board& board, Report report) {
  bool sound = true;
  const auto count = [&](Part part, std::size_t entries, std::size_t limit) {
    if (entries <= limit) return;
    report(at(Rule::kTooMany, part, limit, limit));
    sound = false;
  };
  count(Part::kMemory, board.memory.size(), kMaxMemoryRegions);
  count(Part::kCores, board.cores.size(), kMaxBoardCores);
  count(Part::kWindows, board.mmio.size(), kMaxWindows);
  count(Part::kDevices, board.devices.size(), kMaxDevices);
  count(Part::kInterrupts, board.interrupts.size(), kMaxInterrupts);
  return sound;
}

// False when there is no memory that the limits could be held against.
template <typename Report>
constexpr bool check_memory(const Board& board, Report report) {
  if (board.memory.empty()) {
    report(at(Rule::kMemoryMissing, Part::kMemory, 0));
    return false;
  }
  for (std::size_t i = 1; i < board.memory.size(); ++i) {
    if (board.memory[i].base >= board.memory[i - 1].base) continue;
    report(Problem{Rule::kMemoryOrder, Part::kMemory, i, Part::kMemory, i - 1, 0});
  }
  const std::size_t last = board.memory.size() - 1;
  if (frame_table_frames(board) > 2 * (memory_bytes(board) / base::kFrameSize)) {
    report(at(Rule::kHoleTooLarge, Part::kMemory, last));
  } else if (table_frames(board) > kMaxTableFrames) {
    report(at(Rule::kTooManyTables, Part::kMemory, last, table_frames(board)));
  } else if (board.monitor.size < monitor_bytes_needed(board)) {
    report(at(Rule::kMonitorTooSmall, Part::kMonitor, 0, monitor_bytes_needed(board)));
  }
  return true;
}

template <typename Report>
constexpr void check_cores(const Board& board, Report report) {
  if (board.cores.size() < 2) return report(at(Rule::kCoreMissing, Part::kCores, 0));
  bool booted = false;
  std::size_t boot = 0;
  for (std::size_t i = 0; i < board.cores.size(); ++i) {
    const Core& core = board.cores[i];
    if ((core.mpidr & ~kMpidrAffinity) != 0) report(at(Rule::kMpidrInvalid, Part::kCores, i));
    for (std::size_t j = 0; j < i; ++j) {
      if (core.mpidr != board.cores[j].mpidr) continue;
      report(Problem{Rule::kMpidrTwice, Part::kCores, i, Part::kCores, j, core.mpidr});
      break;
    }
    if (!core.boot) continue;
    if (booted) report(Problem{Rule::kBootCoreTwice, Part::kCores, i, Part::kCores, boot, 0});
    if (!booted) boot = i;
    booted = true;
  }
  if (!booted) report(at(Rule::kBootCoreMissing, Part::kCores, 0));
}

// A device that the monitor drives itself lies whole in one window of the monitor.
template <typename Report>
constexpr void check_own_device(const Board& board, Part part, std::uint64_t address, Report report) {
  for (const Mmio& window : board.mmio) {
    if (window.base == address && window.owner == Owner::kMonitor) return;
  }
  report(at(Rule::kNotMonitorWindow, part, 0, address));
}

template <typename Report>
constexpr void check_windows(const Board& board, Report report) {
  for (std::size_t i = 0; i < board.mmio.size(); ++i) {
    const Mmio& window = board.mmio[i];
    if (window.owner == Owner::kAssignable) report(at(Rule::kWindowAssignable, Part::kWindows, i));
    if (window.bypasses_smmu && window.owner == Owner::kParent) report(at(Rule::kUnguardedDma, Part::kWindows, i));
  }
  check_own_device(board, Part::kController, board.gic_distributor, report);
  check_own_device(board, Part::kController, board.gic_redistributor, report);
  if (board.uart_base != 0) {
    check_own_device(board, Part::kConsole, board.uart_base, report);
  } else if (!board.protections.secure_rom) {
    report(at(Rule::kConsoleWithoutRom, Part::kConsole, 0));
  }
  if (board.smmu_base != 0) check_own_device(board, Part::kSmmu, board.smmu_base, report);
  if (board.rtc_base != 0) check_own_device(board, Part::kClock, board.rtc_base, report);
  if (!base::is_aligned(board.gic_distributor, kGicAlignment) ||
      !base::is_aligned(board.gic_redistributor, kGicAlignment)) {
    report(at(Rule::kControllerUnaligned, Part::kController, 0));
  }
  if (board.gic_redistributor_stride != kStrideGicV3 && board.gic_redistributor_stride != kStrideGicV4) {
    return report(at(Rule::kStrideInvalid, Part::kController, 0));
  }
  for (const Mmio& window : board.mmio) {
    const std::uint64_t needed = board.cores.size() * board.gic_redistributor_stride;
    if (window.base == board.gic_redistributor && window.size < needed) {
      report(at(Rule::kRedistributorsTooSmall, Part::kController, 0, needed));
    }
  }
}

template <typename Report>
constexpr void check_views(const Board& board, Report report) {
  for (std::size_t i = 0; i < board.mmio.size(); ++i) {
    if (board.mmio[i].parent_view == View::kNone) continue;
    if (board.mmio[i].owner != Owner::kMonitor) report(at(Rule::kViewNotMonitors, Part::kWindows, i));
    if (board.mmio[i].parent_view == View::kPl031 && board.rtc_base == 0) {
      report(at(Rule::kViewWithoutClock, Part::kWindows, i));
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (board.mmio[j].parent_view != board.mmio[i].parent_view) continue;
      report(Problem{Rule::kViewTwice, Part::kWindows, i, Part::kWindows, j, 0});
      break;
    }
  }
}

template <typename Report>
constexpr void check_command_device(const Board& board, Report report) {
  const std::optional<Mmio> configuration = window_of(board, View::kCommandConfiguration);
  const std::optional<Mmio> memory = window_of(board, View::kCommandMemory);
  const auto refuse = [&](Rule rule) { report(at(rule, Part::kCommandDevice, 0)); };
  if (configuration.has_value() != memory.has_value()) return refuse(Rule::kCommandDeviceHalf);
  if (!configuration) return;
  constexpr std::uint64_t kOneBus = 0x10'0000, kLeast = 0x1'0000, kTop = std::uint64_t{1} << 32;
  if (configuration->size != kOneBus) refuse(Rule::kCommandBusSize);
  const std::uint64_t size = memory->size;
  const bool fits = size >= kLeast && (size & (size - 1)) == 0 && memory->base % size == 0 && memory->base < kTop;
  if (!fits || size > kTop - memory->base) refuse(Rule::kCommandMemoryInvalid);
}

template <typename Report>
constexpr void check_vsock(const Board& board, Report report) {
  const bool window = window_of(board, View::kVsock).has_value();
  if (window != (board.vsock_interrupt.value != 0)) return report(at(Rule::kVsockContradiction, Part::kVsock, 0));
  if (board.vsock_interrupt == kDoorbell) report(at(Rule::kVsockTakesDoorbell, Part::kVsock, 0));
}

template <typename Report>
constexpr void check_devices(const Board& board, Report report) {
  const bool smmu = board.smmu_base != 0;
  if (smmu != board.protections.smmu) report(at(Rule::kSmmuContradiction, Part::kProtections, 0));
  const bool bits_valid = board.smmu_stream_bits >= 1 && board.smmu_stream_bits <= 32;
  if (smmu ? !bits_valid : board.smmu_stream_bits != 0) report(at(Rule::kStreamBitsInvalid, Part::kSmmu, 0));
  for (std::size_t i = 0; i < board.devices.size(); ++i) {
    const Device& device = board.devices[i];
    if (!smmu && device.owner != Owner::kMonitor) report(at(Rule::kDeviceWithoutSmmu, Part::kDevices, i));
    const bool moves = device.mmio_size != 0 && device.mmio_base < board.channel_ipa_base &&
                       device.mmio_size <= board.channel_ipa_base - device.mmio_base;
    if (device.owner == Owner::kAssignable && !moves) report(at(Rule::kDeviceUnmovable, Part::kDevices, i));
    if (smmu && bits_valid && (std::uint64_t{device.stream.value} >> board.smmu_stream_bits) != 0) {
      report(at(Rule::kStreamTooLarge, Part::kDevices, i, (std::uint64_t{1} << board.smmu_stream_bits) - 1));
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (device.stream != board.devices[j].stream) continue;
      report(Problem{Rule::kStreamTwice, Part::kDevices, i, Part::kDevices, j, device.stream.value});
      break;
    }
  }
}

// Calls visit(intid, part, index) for every interrupt of the board, the devices' own included.
template <typename Visit>
constexpr void each_interrupt(const Board& board, Visit visit) {
  for (std::size_t i = 0; i < board.devices.size(); ++i) {
    if (board.devices[i].interrupt.value != 0) visit(board.devices[i].interrupt, Part::kDevices, i);
  }
  for (std::size_t i = 0; i < board.interrupts.size(); ++i) {
    visit(board.interrupts[i].intid, Part::kInterrupts, i);
  }
  if (board.vsock_interrupt.value != 0) visit(board.vsock_interrupt, Part::kVsock, 0);
}

template <typename Report>
constexpr void check_interrupts(const Board& board, Report report) {
  each_interrupt(board, [&](base::Intid intid, Part part, std::size_t index) {
    if (intid.value < kFirstSpi || intid.value > kLastSpi) {
      report(at(Rule::kIntidOutOfRange, part, index, intid.value));
    }
    bool done = false;
    each_interrupt(board, [&](base::Intid earlier, Part earlier_part, std::size_t earlier_index) {
      done = done || (part == earlier_part && index == earlier_index);
      if (done || earlier != intid) return;
      done = true;
      report(Problem{Rule::kIntidTwice, part, index, earlier_part, earlier_index, intid.value});
    });
  });
}

template <typename Report>
constexpr void check_messages(const Board& board, Report report) {
  const MessageInterrupts& messages = board.message_interrupts;
  if (messages.its_base == 0) return;
  check_own_device(board, Part::kMessages, messages.its_base, report);
  for (const Mmio& window : board.mmio) {
    if (window.base == messages.its_base && window.size < kItsBytes) report(at(Rule::kItsTooSmall, Part::kMessages, 0));
  }
  const std::uint64_t end = std::uint64_t{messages.first.value} + messages.count;
  if (messages.count == 0 || messages.first.value < kFirstSpi || end > kLastSpi + 1) {
    return report(at(Rule::kMessagesOutOfRange, Part::kMessages, 0));
  }
  each_interrupt(board, [&](base::Intid intid, Part part, std::size_t index) {
    if (intid.value < messages.first.value || intid.value >= end) return;
    report(Problem{Rule::kMessagesTaken, Part::kMessages, 0, part, index, intid.value});
  });
}

template <typename Report>
constexpr void check_watchdog(const Board& board, Report report) {
  const std::size_t none = board.mmio.size();
  const auto find = [&](View view) {
    std::size_t i = 0;
    while (i < none && board.mmio[i].parent_view != view) ++i;
    return i;
  };
  const std::size_t control = find(View::kWatchdogControl), refresh = find(View::kWatchdogRefresh);
  if (control == none && refresh == none) return;
  if (control == none || refresh == none) {
    return report(at(Rule::kWatchdogHalf, Part::kWindows, control == none ? refresh : control));
  }
  each_interrupt(board, [&](base::Intid intid, Part part, std::size_t index) {
    if (intid.value == kWatchdogSpi) report(at(Rule::kWatchdogTaken, part, index, intid.value));
  });
  const MessageInterrupts& messages = board.message_interrupts;
  const std::uint64_t end = std::uint64_t{messages.first.value} + messages.count;
  if (messages.its_base != 0 && messages.first.value <= kWatchdogSpi && kWatchdogSpi < end) {
    report(at(Rule::kWatchdogTaken, Part::kMessages, 0, kWatchdogSpi));
  }
}

template <typename Report>
constexpr void check_limits(const Board& board, Report report) {
  const Limits& limits = board.limits;
  const auto refuse = [&](Rule rule, std::uint64_t value = 0) { report(at(rule, Part::kEnclaves, 0, value)); };
  if (limits.enclaves < 1 || limits.enclaves > kMaxBoardEnclaves) refuse(Rule::kEnclavesOutOfRange);
  if (limits.regions_per_enclave < 1 || limits.regions_per_enclave > kMaxBoardRegions) {
    refuse(Rule::kRegionsOutOfRange);
  }
  if (limits.channels_per_enclave < 1 || limits.channels_per_enclave > kMaxBoardChannels) {
    refuse(Rule::kChannelsOutOfRange);
  }
  if (limits.enclave_memory_min == 0 || !base::is_aligned(limits.enclave_memory_min, base::kFrameSize) ||
      limits.enclave_memory_min > memory_bytes(board)) {
    refuse(Rule::kEnclaveMemoryInvalid);
  }
  const std::uint64_t chunk = limits.scrub_chunk;
  if (chunk < base::kFrameSize || chunk > base::kBlockSize || (chunk & (chunk - 1)) != 0) {
    refuse(Rule::kScrubChunkInvalid);
  }
  if (!base::is_aligned(board.enclave_ram_base, base::kBlockSize) || board.enclave_ram_base > kStage2Top ||
      memory_bytes(board) > kStage2Top - board.enclave_ram_base) {
    refuse(Rule::kEnclaveRamInvalid);
  }
  if (!base::is_aligned(board.channel_ipa_base, base::kBlockSize) || board.channel_ipa_base >= board.enclave_ram_base ||
      board.enclave_ram_base - board.channel_ipa_base < kMaxBoardChannels * base::kBlockSize) {
    refuse(Rule::kChannelsInvalid);
  }
}

template <typename Report>
constexpr void check_parent_entry(const Board& board, Report report) {
  const bool aligned = base::is_aligned(board.parent_entry, base::kFrameSize);
  for (const MemoryRegion& region : board.memory) {
    if (aligned && board.parent_entry >= region.base && board.parent_entry - region.base < region.size) return;
  }
  report(at(Rule::kParentEntryInvalid, Part::kParent, 0));
}

}  // namespace rules

// Calls report(Problem) for every broken rule, in a fixed order. Rules that need sound ranges are left out when a
// range is not sound.
template <typename Report>
constexpr void check(const Board& board, Report report) {
  if (!rules::check_counts(board, report)) return;
  rules::check_names(board.memory, Part::kMemory, report);
  rules::check_names(board.mmio, Part::kWindows, report);
  rules::check_names(board.devices, Part::kDevices, report);
  rules::check_cores(board, report);
  rules::check_windows(board, report);
  rules::check_devices(board, report);
  rules::check_views(board, report);
  rules::check_command_device(board, report);
  rules::check_vsock(board, report);
  rules::check_watchdog(board, report);
  rules::check_interrupts(board, report);
  rules::check_messages(board, report);
  if (!rules::check_ranges(board, report)) return;
  if (!rules::check_memory(board, report)) return;
  rules::check_limits(board, report);
  rules::check_parent_entry(board, report);
}

// The first broken rule, or kValid.
[[nodiscard]] constexpr Problem validate(const Board& board) {
  Problem first = kValid;
  check(board, [&](const Problem& problem) {
    if (first == kValid) first = problem;
  });
  return first;
}

}  // namespace board
