// An error in a board description: where it is, what is wrong, how to mend it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace boardgen {

// Lines and columns count from 1; a column is a character (a UTF-8 code point, a tab is one). 0: the file as a whole.
struct Location {
  std::size_t line = 0;
  std::size_t column = 0;
};

struct Diagnostic {
  Location where;
  std::string what;
  std::string mend;
};
using Diagnostics = std::vector<Diagnostic>;

inline constexpr std::size_t kMaxDiagnostics = 20;  // printed; a file with more is not worth reading on

// "FILE:LINE:COLUMN: error: WHAT\n  mend: HOW\n" for each, in the order of their places in the file.
[[nodiscard]] std::string to_text(const std::string& file_name, Diagnostics diagnostics);

}  // namespace boardgen
