// Which INTIDs of the parent a device may raise by a message, and where the ITS that takes the messages lies.
#pragma once

#include "board_tables.hpp"

namespace hal::aarch64 {

struct MessageRange {
  std::uint64_t its;  // registers of the ITS; 0: the board has none
  base::Intid first;
  std::uint32_t count;
};

inline constexpr MessageRange kMessages{.its = board::kBoard.message_interrupts.its_base,
                                        .first = board::kBoard.message_interrupts.first,
                                        .count = board::kBoard.message_interrupts.count};

}  // namespace hal::aarch64
