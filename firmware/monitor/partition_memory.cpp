#include "firmware/monitor/partition_memory.hpp"

#include <algorithm>
#include <array>

#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/panic.hpp"
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

constinit bool g_visited{};  // guarded by the state lock

[[nodiscard]] std::uint64_t to_frame_end(base::Ipa ipa) {
  return base::kFrameSize - (ipa.value & (base::kFrameSize - 1));
}

}  // namespace

inline base::Result<base::PhysAddr> PartitionMemory::enclaves(base::Ipa ipa) {
  const enclave::Slot& slot = g_state.slots[base::slot_of(partition_).value];
  const bool lives = slot.state == enclave::SlotState::kRunning || slot.state == enclave::SlotState::kStopping;
  if (!lives || ipa.value < board::kBoard.enclave_ram_base) return Error::kOutOfRange;
  const std::uint64_t offset = ipa.value - board::kBoard.enclave_ram_base;
  Place& place = places_[(offset >> base::kBlockShift) % kPlaces];
  if (place.uid != slot.uid || offset - place.begin >= place.frames.bytes()) {
    std::uint64_t begin = 0;
    const enclave::Region* region = slot.regions.begin();
    for (; region != slot.regions.end() && offset - begin >= region->frames.bytes(); ++region) {
      begin += region->frames.bytes();
    }
    if (region == slot.regions.end()) return Error::kOutOfRange;
    place = {slot.uid, begin, region->frames};
  }
  return base::PhysAddr{place.frames.address().value + (offset - place.begin)};
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

// Guarded by the state lock.
inline PartitionMemory::Shown& PartitionMemory::shown(std::size_t place) {
  static constinit std::array<Shown, hal::kShownFrames> places{};
  return places[place];
}

// The parent has half of the places, so that the two ends of a conversation don't show over one another.
inline std::size_t PartitionMemory::place_in_hal(std::uint64_t frame) const {
  constexpr std::size_t kHalf = hal::kShownFrames / 2;
  static_assert(kHalf == kAtHand);
  return frame % kHalf + (partition_ == base::kParent ? 0 : kHalf);
}

std::uint8_t* PartitionMemory::bring(std::uint64_t frame) {
  if (!g_visited) panic("a partition's memory is touched outside of a visit");
  const auto address = locate(base::Ipa{frame << base::kFrameShift});
  if (!address) return nullptr;
  const std::size_t place = place_in_hal(frame);
  Shown& there = shown(place);
  if (there.visit == present_visit_) there.at_hand->visit = 0;  // it is not there any more
  std::uint8_t* const bytes = hal::show_frame(place, *address);
  AtHand& at_hand = place_of(frame);
  at_hand = {bytes != nullptr ? present_visit_ : 0, frame, bytes};
  there = {present_visit_, frame, partition_, &at_hand};
  return bytes;
}

// The place that shows the frame.
inline base::Result<std::size_t> PartitionMemory::show(base::Ipa ipa) {
  const std::uint64_t frame = ipa.value >> base::kFrameShift;
  const std::size_t place = place_in_hal(frame);
  const auto is_there = [&, &there = shown(place)] {
    return there.visit == present_visit_ && there.frame == frame && there.partition == partition_;
  };
  if (is_there()) return place;
  static_cast<void>(bring(frame));
  if (!is_there()) return Error::kOutOfRange;
  return place;
}

// Calls copy(place, offset in its frame, part of the bytes) frame by frame.
template <typename Bytes, typename Copy>
base::Status PartitionMemory::for_each_frame(base::Ipa ipa, Bytes bytes, Copy&& copy) {
  if (bytes.size() > to_frame_end(ipa)) [[unlikely]] MON_TRY(check(ipa, bytes.size()));
  while (!bytes.empty()) {
    MON_TRY_ASSIGN(const std::size_t place, show(ipa));
    const std::size_t part = std::min<std::uint64_t>(bytes.size(), to_frame_end(ipa));
    copy(place, ipa.value % base::kFrameSize, bytes.first(part));
    bytes = bytes.subspan(part);
    ipa = base::Ipa{ipa.value + part};
  }
  return {};
}

base::Status PartitionMemory::read(base::Ipa from, base::MutableBytes to) { return for_each_frame(from, to, hal::read_shown); }

base::Status PartitionMemory::write(base::Ipa to, base::Bytes from) { return for_each_frame(to, from, hal::write_shown); }

MemoryVisit::MemoryVisit() { g_visited = true; }

MemoryVisit::~MemoryVisit() {
  g_visited = false;
  ++PartitionMemory::present_visit_;
  hal::release_frames();
}

}  // namespace monitor
