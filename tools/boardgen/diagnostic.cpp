#include "tools/boardgen/diagnostic.hpp"

#include <algorithm>
#include <tuple>

namespace boardgen {

std::string to_text(const std::string& file_name, Diagnostics diagnostics) {
  std::stable_sort(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(a.where.line, a.where.column) < std::tie(b.where.line, b.where.column);
  });
  std::string text;
  std::size_t printed = 0;
  for (const Diagnostic& diagnostic : diagnostics) {
    if (printed++ == kMaxDiagnostics) {
      text += file_name + ": " + std::to_string(diagnostics.size() - kMaxDiagnostics) + " more errors\n";
      break;
    }
    text += file_name;
    if (diagnostic.where.line != 0) {
      text += ":" + std::to_string(diagnostic.where.line) + ":" + std::to_string(diagnostic.where.column);
    }
    text += ": error: " + diagnostic.what + "\n  mend: " + diagnostic.mend + "\n";
  }
  return text;
}

}  // namespace boardgen
