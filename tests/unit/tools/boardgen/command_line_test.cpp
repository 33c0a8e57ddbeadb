// The program boardgen: exit status, what it writes, what it leaves alone.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "tests/unit/tools/boardgen/board_files.hpp"
#include "tools/boardgen/xml_places.hpp"

namespace {

struct Outcome {
  int status;
  std::string text;  // both streams
};

Outcome run(const std::string& arguments) {
  const std::string command = "'" COFFERDAM_BIN "/boardgen' " + arguments + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return {-1, "popen failed"};
  Outcome outcome{0, {}};
  std::array<char, 4096> buffer{};
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe))
    outcome.text.append(buffer.data(), count);
  const int status = pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

class CommandLine : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "boardgen-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  [[nodiscard]] std::string path(const std::string& name) const { return "'" + (directory_ / name).string() + "'"; }
  static std::string board(const std::string& name) { return "'" + (board_files::folder() / name).string() + "'"; }

  std::filesystem::path directory_;
};

TEST_F(CommandLine, HelpSaysHowToUseIt) {
  const Outcome outcome = run("--help");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.text.find("usage: boardgen --output DIRECTORY BOARD.XML"), std::string::npos);
}

TEST_F(CommandLine, WrongUsageIsStatus2) {
  for (const char* arguments : {"", "--check", "--output", "--output x", "board.xml", "--check a b", "--frob x"}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 2) << arguments;
    EXPECT_NE(outcome.text.find("usage:"), std::string::npos) << arguments;
  }
}

TEST_F(CommandLine, UnreadableInputIsStatus2) {
  EXPECT_EQ(run("--check " + path("absent.xml")).status, 2);
  EXPECT_EQ(run("--check '" + directory_.string() + "'").status, 2);
}

TEST_F(CommandLine, UnwritableOutputIsStatus2) {
  std::ofstream(directory_ / "file") << "in the way";
  EXPECT_EQ(run("--output " + path("file") + " " + board("host/board.xml")).status, 2);
}

TEST_F(CommandLine, WrongBoardIsStatus1AndWritesNothing) {
  const Outcome outcome = run("--output " + path("out") + " " + board("broken/overlap-memory.xml"));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.text.find("overlap-memory.xml:7:31: error: "), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "out"));
}

TEST_F(CommandLine, AHugeFileIsRefusedWithoutBeingReadWhole) {
  std::ofstream(directory_ / "huge.xml").close();
  std::filesystem::resize_file(directory_ / "huge.xml", std::uintmax_t{1} << 36);  // sparse
  const Outcome outcome = run("--check " + path("huge.xml"));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.text.find("huge.xml: error: the file is larger than 1 MiB"), std::string::npos) << outcome.text;
}

TEST_F(CommandLine, WritesAllFilesAndLeavesEqualOnesAlone) {
  const std::string arguments = "--output " + path("out") + " " + board("host/board.xml");
  ASSERT_EQ(run(arguments).status, 0);
  const auto old = std::filesystem::file_time_type::clock::now() - std::chrono::hours(1);
  for (const char* name : {"board_tables.hpp", "memory.ld", "parent.dtb", "board.json", "report.md", "report.html"}) {
    ASSERT_TRUE(std::filesystem::exists(directory_ / "out" / name)) << name;
    std::filesystem::last_write_time(directory_ / "out" / name, old);
  }
  std::ofstream(directory_ / "out" / "memory.ld", std::ios::app) << "/* edited */\n";
  std::filesystem::last_write_time(directory_ / "out" / "memory.ld", old);
  ASSERT_EQ(run(arguments).status, 0);
  EXPECT_EQ(std::filesystem::last_write_time(directory_ / "out" / "board_tables.hpp"), old);
  EXPECT_NE(std::filesystem::last_write_time(directory_ / "out" / "memory.ld"), old);
  EXPECT_EQ(board_files::read(directory_ / "out" / "memory.ld").find("edited"), std::string::npos);
}

}  // namespace
