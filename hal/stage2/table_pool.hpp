// Which of a fixed run of frames are translation tables now, and how many entries of each are in use.
//
// Holds no table contents. Zero-initialised is the valid initial state up to assign(); take and give back are O(1).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "firmware/base/address.hpp"
#include "firmware/base/result.hpp"

namespace hal::stage2 {

template <std::size_t kCapacity>
class TablePool {
  static_assert(kCapacity > 0 && kCapacity <= 0xFFFF);

 public:
  // The frames that the pool hands out. Call once, before anything else.
  constexpr void assign(base::FrameNumber first) { first_ = first; }

  // Errors: kNoTables.
  [[nodiscard]] constexpr base::Result<base::FrameNumber> take() {
    std::size_t index = 0;
    if (returned_count_ > 0) {
      index = returned_[--returned_count_];
    } else if (fresh_ < kCapacity) {
      index = fresh_++;
    } else {
      return base::Error::kNoTables;
    }
    used_entries_[index] = 0;
    return base::FrameNumber{first_.value + index};
  }
  // Precondition: take() handed it out, and it was not given back since.
  constexpr void give_back(base::FrameNumber table) {
    returned_[returned_count_++] = static_cast<std::uint16_t>(index_of(table));
  }
  [[nodiscard]] constexpr std::size_t available() const { return returned_count_ + (kCapacity - fresh_); }
  [[nodiscard]] constexpr std::uint16_t& used_entries(base::FrameNumber table) {
    return used_entries_[index_of(table)];
  }
  [[nodiscard]] static constexpr std::size_t capacity() { return kCapacity; }
  [[nodiscard]] constexpr std::size_t index_of(base::FrameNumber table) const {
    return static_cast<std::size_t>(table.value - first_.value);
  }

 private:
  base::FrameNumber first_{};
  std::size_t fresh_{0};           // frames below it were taken at least once
  std::size_t returned_count_{0};
  // In front of the other: counted at every change of a table, it stays in reach of a load's immediate offset.
  std::array<std::uint16_t, kCapacity> used_entries_{};
  std::array<std::uint16_t, kCapacity> returned_{};
};

}  // namespace hal::stage2
