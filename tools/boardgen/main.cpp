// boardgen: a board description in, the files of the build out.
//
// Exit status: 0 done, 1 the description is wrong (errors on standard error), 2 usage or a file can't be read or
// written.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "tools/boardgen/description.hpp"
#include "tools/boardgen/emit.hpp"
#include "tools/boardgen/xml_places.hpp"

namespace {

constexpr const char* kUsage =
    "usage: boardgen --output DIRECTORY BOARD.XML   check the description and write the files of the build\n"
    "       boardgen --check BOARD.XML              check only\n"
    "       boardgen --help\n"
    "\n"
    "Writes board_tables.hpp (constexpr tables), memory.ld (memory map for the linker), parent.dtb (the parent's\n"
    "device tree), parent_device_tree.hpp (the same bytes for the monitor), board.json (canonical form, measured), "
    "report.html and report.md (for people).\n"
    "docs/board-xml.md describes the format.\n"
    "Exit status: 0 done, 1 the description is wrong, 2 usage or a file can't be read or written.\n";

int fail(const std::string& message) {
  std::cerr << "boardgen: " << message << "\n";
  return 2;
}

// One byte more than is allowed, so that a file that is too large is seen as such and never read whole.
std::optional<std::string> read_file(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return std::nullopt;
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string bytes(boardgen::kMaxFileBytes + 1, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (file.bad()) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  return bytes;
}

// Leaves a file that already holds these bytes alone, so that nothing is built again without need.
bool write_file(const std::filesystem::path& path, const std::string& bytes) {
  if (std::ifstream old(path, std::ios::binary); old) {
    const std::string content{std::istreambuf_iterator<char>(old), {}};
    if (content == bytes) return true;
  }
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  return !file.fail();
}

int write_all(const boardgen::Description& description, const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return fail("can't create " + directory + ": " + error.message());
  for (const auto& [name, bytes] : boardgen::emit_all(description)) {
    const std::filesystem::path path = std::filesystem::path(directory) / name;
    if (!write_file(path, bytes)) return fail("can't write " + path.string());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 1 && (arguments[0] == "--help" || arguments[0] == "-h")) {
    std::cout << kUsage;
    return 0;
  }
  const bool check = arguments.size() == 2 && arguments[0] == "--check";
  const bool output = arguments.size() == 3 && arguments[0] == "--output";
  if (!check && !output) {
    std::cerr << kUsage;
    return 2;
  }
  const std::string& path = arguments.back();
  const auto text = read_file(path);
  if (!text) return fail("can't read " + path);
  const auto result = boardgen::read_description(*text);
  if (const auto* errors = std::get_if<boardgen::Diagnostics>(&result)) {
    std::cerr << boardgen::to_text(path, *errors);
    return 1;
  }
  if (check) return 0;
  return write_all(*std::get<std::unique_ptr<boardgen::Description>>(result), arguments[1]);
}
