#include "firmware/monitor/partition_memory.hpp"

#include <algorithm>
#include <array>

#include "firmware/monitor/globals.hpp"
#include "hal/memory.hpp"

namespace monitor {

namespace {

using base::Error;

// The parent's addresses are physical ones. What it shares with an enclave is still its own.
[[nodiscard]] base::Result<base::PhysAddr> parents(base::Ipa ipa) {
  const partition::FrameEntry entry = g_state.frames.at(base::FrameNumber{ipa.value >> base::kFrameShift});
  const bool reached = entry.state == partition::FrameState::kOwned || entry.state == partition::FrameState::kShared;
  if (!reached || entry.owner != base::kParent) return Error::kOutOfRange;
  return base::PhysAddr{ipa.value};
}

// Which partition's frame each place of the hal shows in the present visit; 0: none. Guarded by the state lock.
constinit std::array<std::uint64_t, hal::kShownFrames> g_shown{};
constinit bool g_visited{};

[[nodiscard]] std::uint64_t to_frame_end(base::Ipa ipa) {
  return base::kFrameSize - (ipa.value & (base::kFrameSize - 1));
}

}  // namespace

inline base::Result<base::PhysAddr> PartitionMemory::enclaves(base::Ipa ipa) {
  const enclave::Slot& slot = g_state.slots[base::slot_of(partition_).value];
  const bool lives = slot.state == enclave::SlotState::kRunning || slot.state == enclave::SlotState::kStopping;
  if (!lives || ipa.value < board::kBoard.enclave_ram_base) return Error::kOutOfRange;
  const std::uint64_t offset = ipa.value - board::kBoard.enclave_ram_base;
  if (place_.uid != slot.uid || offset - place_.begin >= place_.frames.bytes()) {
    std::uint64_t begin = 0;
    const enclave::Region* region = slot.regions.begin();
    for (; region != slot.regions.end() && offset - begin >= region->frames.bytes(); ++region) {
      begin += region->frames.bytes();
    }
    if (region == slot.regions.end()) return Error::kOutOfRange;
    place_ = {slot.uid, begin, region->frames};
  }
  return base::PhysAddr{place_.frames.address().value + (offset - place_.begin)};
}

inline base::Result<base::PhysAddr> PartitionMemory::locate(base::Ipa ipa) {
  return partition_ == base::kParent ? parents(ipa) : enclaves(ipa);
}

// Whole or not at all: every frame is looked at before the first byte moves.
base::Status PartitionMemory::check(base::Ipa ipa, std::uint64_t size) {
  if (ipa.value + size < ipa.value) return Error::kOutOfRange;
  while (size != 0) {
    MON_TRY(locate(ipa));
    const std::uint64_t part = std::min(size, to_frame_end(ipa));
    ipa = base::Ipa{ipa.value + part};
    size -= part;
  }
  return {};
}

// The place that shows the frame. A frame's number leaves 12 bits of the word free, so a partition's number fits below it, and
// no partition has the number 0.
inline base::Result<std::size_t> PartitionMemory::show(base::Ipa ipa) {
  const std::uint64_t frame = ipa.value >> base::kFrameShift;
  const std::uint64_t name = frame << base::kFrameShift | partition_.value;
  const std::size_t place = (frame ^ std::uint64_t{partition_.value} * 5) % hal::kShownFrames;  // the ports' rings apart
  if (g_shown[place] != name) [[unlikely]] {
    MON_TRY_ASSIGN(const base::PhysAddr address, locate(base::Ipa{frame << base::kFrameShift}));
    hal::show_frame(place, address);
    g_shown[place] = name;
  }
  return place;
}

template <typename Bytes, typename Copy>
base::Status PartitionMemory::for_each_frame(base::Ipa ipa, Bytes bytes, Copy&& copy) {
  MON_TRY(check(ipa, bytes.size()));
  while (!bytes.empty()) {
    MON_TRY_ASSIGN(const base::PhysAddr address, locate(ipa));
    const std::size_t part = std::min<std::uint64_t>(bytes.size(), to_frame_end(ipa));
    copy(address, bytes.first(part));
    bytes = bytes.subspan(part);
    ipa = base::Ipa{ipa.value + part};
  }
  return {};
}

base::Status PartitionMemory::read(base::Ipa from, base::MutableBytes to) {
  if (g_visited && to.size() - 1 < to_frame_end(from)) [[likely]] {
    MON_TRY_ASSIGN(const std::size_t place, show(from));
    hal::read_shown(place, from.value % base::kFrameSize, to);
    return {};
  }
  return for_each_frame(from, to, [](base::PhysAddr address, base::MutableBytes part) { hal::read_bytes(address, part); });
}

base::Status PartitionMemory::write(base::Ipa to, base::Bytes from) {
  if (g_visited && from.size() - 1 < to_frame_end(to)) [[likely]] {
    MON_TRY_ASSIGN(const std::size_t place, show(to));
    hal::write_shown(place, to.value % base::kFrameSize, from);
    return {};
  }
  return for_each_frame(to, from, [](base::PhysAddr address, base::Bytes part) { hal::write_bytes(address, part); });
}

MemoryVisit::MemoryVisit() { g_visited = true; }

MemoryVisit::~MemoryVisit() {
  g_visited = false;
  g_shown = {};
  hal::release_frames();
}

}  // namespace monitor
