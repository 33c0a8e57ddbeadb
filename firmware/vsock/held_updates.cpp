#include "firmware/vsock/held_updates.hpp"

#include <utility>

namespace vsock {

HeldUpdates::Direction& HeldUpdates::at(Index index, Side writer) { return directions_[index][number_of(writer)]; }
const HeldUpdates::Direction& HeldUpdates::at(Index index, Side writer) const { return directions_[index][number_of(writer)]; }

// Each list gets the updates for one side, so only one of a connection's directions can be in it.
const HeldUpdates::Direction& HeldUpdates::in_list(Reference reference, std::size_t list) const {
  const std::array<Direction, 2>& both = directions_[reference - 1U];
  return both[0].list == list + 1 ? both[0] : both[1];
}
HeldUpdates::Direction& HeldUpdates::in_list(Reference reference, std::size_t list) {
  return const_cast<Direction&>(std::as_const(*this).in_list(reference, list));
}

// By what it was told the writer may still send at least half of what the reader has room for.
bool HeldUpdates::has_enough(const Direction& direction) {
  return direction.told.space != 0 && direction.sent - direction.told.forwarded <= direction.told.space / 2;
}

void HeldUpdates::begin(Index index) {
  for (Direction& direction : directions_[index]) {
    unlink(direction);
    direction = {};
  }
}

void HeldUpdates::sent(Index index, Side writer, std::uint32_t bytes) {
  Direction& direction = at(index, writer);
  direction.sent += bytes;
  if (direction.list != 0 && !has_enough(direction)) hurry(index, direction);
}

void HeldUpdates::asked(Index index, Side writer) {
  Direction& direction = at(index, writer);
  direction.asked = true;
  if (direction.list != 0) hurry(index, direction);
}

void HeldUpdates::told(Index index, Side writer, const Credit& credit) {
  Direction& direction = at(index, writer);
  direction.told = credit;
  direction.asked = false;
}

bool HeldUpdates::hold(Index index, Side writer, std::size_t list, const Credit& credit, std::uint64_t now) {
  Direction& direction = at(index, writer);
  if (direction.asked || direction.urgent || credit.space < direction.told.space || !has_enough(direction)) return false;
  direction.held = credit;
  if (direction.list != 0) return true;  // since when stays: many updates must not put one off
  direction.held_at = static_cast<std::uint32_t>(now);
  link(index, direction, list, lists_[list].last, 0);
  return true;
}

void HeldUpdates::drop(Index index, Side writer) { unlink(at(index, writer)); }

bool HeldUpdates::is_due(Index index, Side writer, std::uint64_t now) const {
  const Direction& direction = at(index, writer);
  const std::uint32_t since = static_cast<std::uint32_t>(now) - direction.held_at;
  // Another core's clock may have been read a little earlier than the one that held it: that is not long ago.
  return direction.urgent || (since >= kHeldFor && since < std::uint32_t{1} << 31);
}

bool HeldUpdates::is_urgent(std::size_t list) const {
  return !empty(list) && in_list(lists_[list].first, list).urgent;
}

Credit HeldUpdates::take(Index index, Side writer) {
  Direction& direction = at(index, writer);
  unlink(direction);
  return direction.held;
}

void HeldUpdates::hurry(Index index, Direction& direction) {
  if (direction.urgent) return;
  const std::size_t list = direction.list - 1U;
  unlink(direction);
  link(index, direction, list, 0, lists_[list].first);
  direction.urgent = true;
}

void HeldUpdates::link(Index index, Direction& direction, std::size_t list, Reference previous, Reference next) {
  const auto reference = static_cast<Reference>(index + 1);
  List& ends = lists_[list];
  direction.list = static_cast<std::uint8_t>(list + 1);
  direction.previous = previous;
  direction.next = next;
  (previous == 0 ? ends.first : in_list(previous, list).next) = reference;
  (next == 0 ? ends.last : in_list(next, list).previous) = reference;
}

void HeldUpdates::unlink(Direction& direction) {
  if (direction.list == 0) return;
  const std::size_t list = direction.list - 1U;
  List& ends = lists_[list];
  (direction.previous == 0 ? ends.first : in_list(direction.previous, list).next) = direction.next;
  (direction.next == 0 ? ends.last : in_list(direction.next, list).previous) = direction.previous;
  direction.list = 0;
  direction.urgent = false;
}

}  // namespace vsock
