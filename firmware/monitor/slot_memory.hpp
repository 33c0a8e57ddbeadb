// An enclave's memory as the loader and the NSM see it: offsets, whatever frames it is made of.
//
// A guest may write past the cache (MMU off, or Non-cacheable in its stage 1) what the monitor reads through it, and the
// other way round; so what is read is cleaned and invalidated before, and what was written is cleaned after (Arm ARM
// B2.10, mismatched memory attributes).
// Used while the slot is marked busy (or a core of it is in the monitor), so its regions don't change.
#pragma once

#include "firmware/enclave/slot.hpp"

namespace monitor {

class SlotMemory {
 public:
  explicit SlotMemory(const enclave::Slot& slot) : slot_(slot) {}
  // All: bytes from the start of the enclave's memory. Errors: kOutOfRange.
  [[nodiscard]] base::Status read(std::uint64_t offset, base::MutableBytes out) const;
  [[nodiscard]] base::Status write(std::uint64_t offset, base::Bytes in) const;
  // Precondition: to <= from, or the ranges don't overlap.
  [[nodiscard]] base::Status move(std::uint64_t to, std::uint64_t from, std::uint64_t size) const;
  [[nodiscard]] base::Status zero(std::uint64_t offset, std::uint64_t size) const;

 private:
  [[nodiscard]] base::Status synchronise(std::uint64_t offset, std::uint64_t size) const;
  const enclave::Slot& slot_;
};

}  // namespace monitor
