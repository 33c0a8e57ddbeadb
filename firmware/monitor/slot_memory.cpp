#include "firmware/monitor/slot_memory.hpp"

#include <algorithm>

#include "hal/memory.hpp"

namespace monitor {

base::Status SlotMemory::read(std::uint64_t offset, base::MutableBytes out) const {
  MON_TRY(synchronise(offset, out.size()));
  while (!out.empty()) {
    MON_TRY_ASSIGN(const enclave::Extent extent, enclave::locate(slot_, offset));
    const std::size_t size = std::min<std::uint64_t>(extent.size, out.size());
    hal::read_bytes(extent.address, out.first(size));
    out = out.subspan(size);
    offset += size;
  }
  return {};
}

base::Status SlotMemory::write(std::uint64_t offset, base::Bytes in) const {
  const std::uint64_t first = offset;
  const std::uint64_t size = in.size();
  while (!in.empty()) {
    MON_TRY_ASSIGN(const enclave::Extent extent, enclave::locate(slot_, offset));
    const std::size_t count = std::min<std::uint64_t>(extent.size, in.size());
    hal::write_bytes(extent.address, in.first(count));
    in = in.subspan(count);
    offset += count;
  }
  return synchronise(first, size);
}

base::Status SlotMemory::synchronise(std::uint64_t offset, std::uint64_t size) const {
  if (size > slot_.memory_bytes || offset > slot_.memory_bytes - size) return base::Error::kOutOfRange;
  const std::uint64_t end = base::align_up(offset + size, base::kFrameSize);
  for (offset &= ~(base::kFrameSize - 1); offset < end;) {
    MON_TRY_ASSIGN(const enclave::Extent extent, enclave::locate(slot_, offset));
    const std::uint64_t count = std::min(extent.size, end - offset);
    hal::clean_frames(base::FrameRange::trusted(base::frame_of(extent.address),
                                                base::FrameCount{count >> base::kFrameShift}));
    offset += count;
  }
  return {};
}

base::Status SlotMemory::move(std::uint64_t to, std::uint64_t from, std::uint64_t size) const {
  std::array<std::uint8_t, 2048> piece;  // read before written, ascending: right for to < from
  while (size != 0) {
    const std::size_t count = std::min<std::uint64_t>(size, piece.size());
    MON_TRY(read(from, base::MutableBytes{piece}.first(count)));
    MON_TRY(write(to, base::Bytes{piece}.first(count)));
    to += count;
    from += count;
    size -= count;
  }
  return {};
}

base::Status SlotMemory::zero(std::uint64_t offset, std::uint64_t size) const {
  constexpr std::array<std::uint8_t, 512> kZeroes{};
  while (size != 0) {
    MON_TRY_ASSIGN(const enclave::Extent extent, enclave::locate(slot_, offset));
    std::uint64_t count = std::min(extent.size, size);
    const std::uint64_t to_frame = base::kFrameSize - (extent.address.value & (base::kFrameSize - 1));
    if (to_frame != base::kFrameSize || count < base::kFrameSize) {
      count = std::min({count, to_frame, std::uint64_t{kZeroes.size()}});
      MON_TRY(write(offset, base::Bytes{kZeroes}.first(count)));
    } else {
      count &= ~(base::kFrameSize - 1);
      hal::scrub_frames(base::FrameRange::trusted(base::frame_of(extent.address),
                                                  base::FrameCount{count >> base::kFrameShift}));
    }
    offset += count;
    size -= count;
  }
  return {};
}

}  // namespace monitor
