// Which INTIDs of the parent a device may raise by a message, and where the ITS that takes the messages lies.
#pragma once

#include "board_tables.hpp"

namespace hal::aarch64 {

struct MessageRange {
  std::uint64_t its;  // registers of the ITS; 0: the board has none
  base::Intid first;
  std::uint32_t count;
};

[[nodiscard]] consteval std::uint64_t its_window() {
  for (const board::Mmio& window : board::kBoard.mmio) {
    if (window.name == "its") return window.base;
  }
  return 0;
}

inline constexpr MessageRange kMessages{.its = its_window(), .first = base::Intid{224}, .count = 64};

}  // namespace hal::aarch64
