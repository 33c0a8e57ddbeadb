#include "tools/boardgen/emit.hpp"

namespace boardgen {

std::vector<File> emit_all(const Description& description) {
  // The tables come last: their time stamp tells the build that all files are there.
  return {
      {"memory.ld", emit_memory_map(description)},
      {"board_tables.hpp", emit_tables(description)},
  };
}

}  // namespace boardgen
