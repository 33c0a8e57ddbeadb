// What lies where, in ascending order and with the gaps between: the picture's and the report's view of a board.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/boardgen/description.hpp"

namespace boardgen {

enum class Holder : std::uint8_t { kMonitor, kParent, kAssignable, kRom, kNobody };

struct Piece {
  std::uint64_t base = 0;
  std::uint64_t size = 0;
  Holder holder = Holder::kNobody;
  std::string name;
  std::string note;  // for people; may be empty
};

[[nodiscard]] std::vector<Piece> physical_map(const Description& description);
[[nodiscard]] std::vector<Piece> enclave_map(const board::Board& board);     // an enclave's own addresses
[[nodiscard]] std::vector<Piece> monitor_memory(const board::Board& board);  // what the monitor's memory must hold

// One sentence for each protection: what the hardware gives, or what its lack means.
struct Protection {
  bool given = false;
  std::string sentence;
};
[[nodiscard]] std::vector<Protection> protections_of(const board::Board& board);

[[nodiscard]] std::string holder_text(Holder holder);  // "the monitor"
[[nodiscard]] Holder holder_of(board::Owner owner);
[[nodiscard]] std::string digest_text(const board::Board& board);  // 96 hexadecimal digits

}  // namespace boardgen
