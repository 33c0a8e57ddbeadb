// Board tables that break a rule don't compile: here the parent's memory overlaps the monitor's.
// expect: (static assertion failed|static_assert failed)
#include "board_tables.hpp"
#include "firmware/board/validate.hpp"

constexpr board::Board edited() {
  board::Board board = board::kBoard;
#ifdef MISTAKE
  board.monitor.base = board.memory[0].base;
#endif
  return board;
}
static_assert(board::validate(edited()) == board::kValid);
