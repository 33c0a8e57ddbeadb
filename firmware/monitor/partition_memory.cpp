#include "firmware/monitor/partition_memory.hpp"

#include <algorithm>

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

[[nodiscard]] base::Result<base::PhysAddr> enclaves(base::SlotIndex slot_index, base::Ipa ipa) {
  const enclave::Slot& slot = g_state.slots[slot_index.value];
  const bool lives = slot.state == enclave::SlotState::kRunning || slot.state == enclave::SlotState::kStopping;
  if (!lives || ipa.value < board::kBoard.enclave_ram_base) return Error::kOutOfRange;
  MON_TRY_ASSIGN(const enclave::Extent extent, enclave::locate(slot, ipa.value - board::kBoard.enclave_ram_base));
  return extent.address;
}

[[nodiscard]] base::Result<base::PhysAddr> locate(base::PartitionId partition, base::Ipa ipa) {
  return partition == base::kParent ? parents(ipa) : enclaves(base::slot_of(partition), ipa);
}

[[nodiscard]] std::uint64_t to_frame_end(base::Ipa ipa) {
  return base::kFrameSize - (ipa.value & (base::kFrameSize - 1));
}

// Whole or not at all: every frame is looked at before the first byte moves.
[[nodiscard]] base::Status check(base::PartitionId partition, base::Ipa ipa, std::uint64_t size) {
  if (ipa.value + size < ipa.value) return Error::kOutOfRange;
  while (size != 0) {
    MON_TRY(locate(partition, ipa));
    const std::uint64_t part = std::min(size, to_frame_end(ipa));
    ipa = base::Ipa{ipa.value + part};
    size -= part;
  }
  return {};
}

template <typename Bytes, typename Copy>
[[nodiscard]] base::Status for_each_frame(base::PartitionId partition, base::Ipa ipa, Bytes bytes, Copy&& copy) {
  if (bytes.size() > to_frame_end(ipa)) MON_TRY(check(partition, ipa, bytes.size()));
  while (!bytes.empty()) {
    MON_TRY_ASSIGN(const base::PhysAddr address, locate(partition, ipa));
    const std::size_t part = std::min<std::uint64_t>(bytes.size(), to_frame_end(ipa));
    copy(address, bytes.first(part));
    bytes = bytes.subspan(part);
    ipa = base::Ipa{ipa.value + part};
  }
  return {};
}

}  // namespace

base::Status PartitionMemory::read(base::Ipa from, base::MutableBytes to) {
  return for_each_frame(partition_, from, to, [](base::PhysAddr address, base::MutableBytes part) {
    hal::read_bytes(address, part);
  });
}

base::Status PartitionMemory::write(base::Ipa to, base::Bytes from) {
  return for_each_frame(partition_, to, from, [](base::PhysAddr address, base::Bytes part) {
    hal::write_bytes(address, part);
  });
}

}  // namespace monitor
