#include "tools/boardgen/canonical.hpp"
#include "tools/boardgen/emit.hpp"

namespace boardgen {

std::vector<File> emit_all(const Description& description) {
  return {
      {"board_tables.hpp", emit_tables(description)}, {"memory.ld", emit_memory_map(description)},
      {"parent.dtb", emit_device_tree(description)},  {"parent_device_tree.hpp", emit_device_tree_bytes(description)},
      {"board.json", canonical_form(description)},    {"report.md", emit_markdown(description)},
      {"report.html", emit_html(description)},
  };
}

}  // namespace boardgen
