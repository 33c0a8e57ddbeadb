// Credit updates that need not go on at once (Virtual I/O Device 1.2, 5.10.6.3), and what tells which those are.
//
// Linux sends an update whenever a reader has emptied its buffer, though the writer has used hardly any of it, and often a
// moment later a packet whose header says the same. An update is held back while the writer has, by what it was told, at least
// half of the reader's buffer left. The connection's next packet to the writer makes it needless; time, a writer that gets
// short of credit, and one that asks make it go on. So no writer waits for credit that is held back here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "firmware/vsock/connection_table.hpp"

namespace vsock {

struct Credit {  // of one end as a reader, as each header of its packets says it
  std::uint32_t space;      // buf_alloc
  std::uint32_t forwarded;  // fwd_cnt
};

// All zero at first. A connection's `writer` is the side that an update of the other side is for. `list` names who gets it: a
// number below kLists that the caller chooses. Connections that are not open any more are the caller's to look for.
class HeldUpdates {
 public:
  using Index = ConnectionTable::Index;
  static constexpr std::size_t kLists = board::kMaxEnclaves + 1;
  static constexpr std::uint64_t kHeldFor = 500;  // microseconds at most, from the first one that was held

  // A connection begins under this index: nothing was sent, told or held.
  void begin(Index index);
  void sent(Index index, Side writer, std::uint32_t bytes);
  void asked(Index index, Side writer);
  // A packet that says so was delivered to the writer.
  void told(Index index, Side writer, const Credit& credit);
  // True: held, in place of an earlier one. False: the update must go on by itself.
  [[nodiscard]] bool hold(Index index, Side writer, std::size_t list, const Credit& credit, std::uint64_t now);
  void drop(Index index, Side writer);  // a later packet goes to the writer, or nobody does

  [[nodiscard]] bool empty(std::size_t list) const { return lists_[list].first == 0; }
  // Precondition: not empty.
  [[nodiscard]] Index first(std::size_t list) const { return static_cast<Index>(lists_[list].first - 1); }
  // Whether the first is due whatever the time.
  [[nodiscard]] bool is_urgent(std::size_t list) const;
  [[nodiscard]] bool is_due(Index index, Side writer, std::uint64_t now) const;
  // Precondition: held. What is to be told; it is held no more.
  [[nodiscard]] Credit take(Index index, Side writer);

 private:
  using Reference = std::uint16_t;  // index + 1; 0: none
  struct Direction {
    std::uint32_t sent;  // bytes, modulo 2^32
    Credit told;         // space 0: nothing yet
    Credit held;
    std::uint32_t held_at;  // microseconds, modulo 2^32
    Reference next;
    Reference previous;
    std::uint8_t list;  // number + 1; 0: nothing is held
    bool urgent;
    bool asked;
  };
  struct List {
    Reference first;
    Reference last;
  };
  [[nodiscard]] Direction& at(Index index, Side writer);
  [[nodiscard]] const Direction& at(Index index, Side writer) const;
  [[nodiscard]] Direction& in_list(Reference reference, std::size_t list);
  [[nodiscard]] const Direction& in_list(Reference reference, std::size_t list) const;
  [[nodiscard]] static bool has_enough(const Direction& direction);
  void link(Index index, Direction& direction, std::size_t list, Reference previous, Reference next);
  void unlink(Direction& direction);
  void hurry(Index index, Direction& direction);

  std::array<std::array<Direction, 2>, kMaxConnections> directions_{};
  std::array<List, kLists> lists_{};
};

}  // namespace vsock
