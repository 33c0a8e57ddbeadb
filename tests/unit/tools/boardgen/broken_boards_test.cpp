// Every wrong board in boards/broken is refused with exactly the text beside it.
#include <gtest/gtest.h>

#include <set>

#include "tests/unit/tools/boardgen/board_files.hpp"

namespace {

std::vector<std::string> broken() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(board_files::folder() / "broken")) {
    if (entry.path().extension() == ".xml") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class BrokenBoard : public testing::TestWithParam<std::string> {};

TEST_P(BrokenBoard, IsRefusedWithItsText) {
  const auto path = board_files::folder() / "broken" / (GetParam() + ".xml");
  const auto result = boardgen::read_description(board_files::read(path));
  const auto* errors = std::get_if<boardgen::Diagnostics>(&result);
  ASSERT_NE(errors, nullptr) << "accepted";
  EXPECT_EQ(boardgen::to_text(path.filename().string(), *errors),
            board_files::read(board_files::folder() / "broken" / (GetParam() + ".expect")));
}

INSTANTIATE_TEST_SUITE_P(All, BrokenBoard, testing::ValuesIn(broken()), [](const auto& parameter) {
  std::string name = parameter.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(BrokenBoards, EveryOneHasItsTextAndEveryTextItsBoard) {
  std::set<std::string> boards, texts;
  for (const auto& entry : std::filesystem::directory_iterator(board_files::folder() / "broken")) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".xml") boards.insert(entry.path().stem().string());
    if (extension == ".expect") texts.insert(entry.path().stem().string());
  }
  EXPECT_EQ(boards, texts);
  EXPECT_GE(boards.size(), 100U);
}

TEST(BrokenBoards, EveryTextNamesPlaceFaultAndMend) {
  for (const std::string& name : broken()) {
    const std::string text = board_files::read(board_files::folder() / "broken" / (name + ".expect"));
    EXPECT_TRUE(text.starts_with(name + ".xml:")) << text;
    EXPECT_NE(text.find(": error: "), std::string::npos) << text;
    EXPECT_NE(text.find("\n  mend: "), std::string::npos) << text;
  }
}

}  // namespace
