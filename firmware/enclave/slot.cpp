#include "firmware/enclave/slot.hpp"

namespace enclave {

base::Result<Extent> locate(const Slot& slot, std::uint64_t offset) {
  for (const Region& region : slot.regions) {
    const std::uint64_t size = region.frames.bytes();
    if (offset < size) return Extent{base::PhysAddr{region.frames.address().value + offset}, size - offset};
    offset -= size;
  }
  return base::Error::kOutOfRange;
}

void clear(Slot& slot) {
  slot.state = SlotState::kFree;
  slot.uid = base::SlotUid{};
  slot.mode = Mode::kProduction;
  slot.cid = 0;
  slot.image_offset = 0;
  slot.exit = 0;
  slot.busy = false;
  slot.nsm_busy = false;
  slot.faults = 0;
  slot.memory_bytes = 0;
  slot.regions.clear();
  slot.scrubbing = base::FrameRange{};
  slot.channels = {};
  slot.pcrs = measure::PcrBank{};
}

}  // namespace enclave
