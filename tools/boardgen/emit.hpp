// The files that one description becomes. All are functions of the description only: no dates, no paths, no chance.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/boardgen/description.hpp"

namespace boardgen {

[[nodiscard]] std::string emit_tables(const Description& description);       // board_tables.hpp
[[nodiscard]] std::string emit_memory_map(const Description& description);   // memory.ld
[[nodiscard]] std::string emit_device_tree(const Description& description);  // parent.dtb
[[nodiscard]] std::string emit_device_tree_bytes(const Description& description);  // parent_device_tree.hpp
[[nodiscard]] std::string emit_markdown(const Description& description);     // report.md
[[nodiscard]] std::string emit_html(const Description& description);  // report.html: one page, needs no other file

struct File {
  std::string name;
  std::string bytes;
};
[[nodiscard]] std::vector<File> emit_all(const Description& description);

}  // namespace boardgen
