// The board descriptions of the tree, for tests.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "tools/boardgen/description.hpp"

namespace board_files {

inline std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::filesystem::path folder() { return std::filesystem::path(COFFERDAM_SOURCE) / "boards"; }

inline std::vector<std::string> shipped() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder())) {
    if (std::filesystem::exists(entry.path() / "board.xml")) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

inline std::string xml_of(const std::string& board) { return read(folder() / board / "board.xml"); }

// nullptr and a printed reason when the text is refused.
inline std::unique_ptr<boardgen::Description> accepted(const std::string& text) {
  auto result = boardgen::read_description(text);
  if (auto* description = std::get_if<std::unique_ptr<boardgen::Description>>(&result)) return std::move(*description);
  return nullptr;
}

inline std::string refusal(const std::string& text) {
  const auto result = boardgen::read_description(text);
  const auto* errors = std::get_if<boardgen::Diagnostics>(&result);
  return errors == nullptr ? "" : boardgen::to_text("board.xml", *errors);
}

// `text` with the first `from` replaced; the test is wrong when there is none.
inline std::string changed(std::string text, const std::string& from, const std::string& to) {
  const std::size_t position = text.find(from);
  if (position == std::string::npos) return "board_files::changed: not found: " + from;
  return text.replace(position, from.size(), to);
}

}  // namespace board_files
