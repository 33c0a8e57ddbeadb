#include "tools/command_line/command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace command_line {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A program with an option of each kind.
struct Kinds {
  Program program{"about", "kinds"};
  std::string text{"before"};
  std::optional<std::string> perhaps;
  std::vector<std::string> again, list;
  std::vector<std::uint32_t> numbers;
  int port{8000};
  double share{};
  bool flag{};
  Option text_option = program.add_option("--text,-t", text, "a text");
  Option perhaps_option = program.add_option("--perhaps", perhaps, "perhaps a text").needs(text_option);
  Option port_option = program.add_option("--port", port, "a port").within(1, 65535).capture_default_str().excludes(perhaps_option);
  Command verb = program.add_subcommand("verb", "does it").alias("does");
  Option word = verb.add_option("WORD", text, "a word").required();

  Kinds() {
    program.add_option("--again", again, "again and again").repeatable();
    program.add_option("--list", list, "several").several();
    program.add_option("--numbers", numbers, "numbers").delimiter(',');
    program.add_option("--share", share, "a share").within(0.0, 1.0);
    program.add_option("--kind", text, "one of two").one_of({"left", "right"});
    program.add_flag("--flag", flag, "a flag");
    program.require_subcommand(0, 1);
  }
  bool parse(std::vector<const char*> words) {
    words.insert(words.begin(), "kinds");
    return program.parse(static_cast<int>(words.size()), words.data());
  }
  Mistake mistake_of(const std::vector<const char*>& words) {
    try {
      parse(words);
    } catch (const WrongUse& wrong) {
      EXPECT_STRNE(wrong.what(), "");
      return wrong.mistake();
    }
    ADD_FAILURE() << "it was taken";
    return Mistake::kOther;
  }
};

TEST(CommandLine, ReadsEachKind) {
  Kinds kinds;
  EXPECT_TRUE(kinds.parse({"-t", "now", "--perhaps", "", "--share", "0.5", "--numbers", "1,2", "--flag"}));
  EXPECT_EQ(kinds.text, "now");
  EXPECT_EQ(kinds.perhaps, "");
  EXPECT_EQ(kinds.share, 0.5);
  EXPECT_THAT(kinds.numbers, ElementsAre(1, 2));
  EXPECT_TRUE(kinds.flag);
  EXPECT_EQ(kinds.port, 8000);
  EXPECT_EQ(kinds.port_option.count(), 0U);
  EXPECT_FALSE(kinds.verb.parsed());
}

TEST(CommandLine, ARepeatableOptionTakesOneWordEachTime) {
  Kinds kinds;
  EXPECT_TRUE(kinds.parse({"--again", "a", "--again", "b", "does", "word"}));
  EXPECT_THAT(kinds.again, ElementsAre("a", "b"));
  EXPECT_TRUE(kinds.verb.parsed());
  EXPECT_EQ(kinds.text, "word");
}

TEST(CommandLine, WhatFollowsARepeatableOptionsWordIsNotItsOwn) {
  EXPECT_EQ(Kinds().mistake_of({"--again", "a", "stray"}), Mistake::kOther);
  Program program("about");
  std::vector<std::string> again;
  std::string word;
  bool flag{};
  program.add_option("WORD", word, "a word").required();
  program.add_option("--again", again, "again and again").repeatable();
  program.add_flag("--flag", flag, "a flag");
  const char* words[] = {"program", "--again", "[a,b]", "word", "--flag"};
  EXPECT_TRUE(program.parse(5, words));
  EXPECT_THAT(again, ElementsAre("[a,b]"));
  EXPECT_EQ(word, "word");
  EXPECT_TRUE(flag);
}

TEST(CommandLine, AnOptionOfSeveralTakesAllThatFollow) {
  Kinds kinds;
  EXPECT_TRUE(kinds.parse({"--list", "a", "b", "--list", "c"}));
  EXPECT_THAT(kinds.list, ElementsAre("a", "b", "c"));
}

TEST(CommandLine, SaysWhatKindOfMistakeItIs) {
  EXPECT_EQ(Kinds().mistake_of({"verb"}), Mistake::kMissing);
  EXPECT_EQ(Kinds().mistake_of({"--perhaps", "x"}), Mistake::kMissing);
  EXPECT_EQ(Kinds().mistake_of({"--port", "1", "--perhaps", "x", "-t", "y"}), Mistake::kConflict);
  EXPECT_EQ(Kinds().mistake_of({"--unheard-of"}), Mistake::kOther);
  EXPECT_EQ(Kinds().mistake_of({"--port", "65536"}), Mistake::kOther);
  EXPECT_EQ(Kinds().mistake_of({"--port", "many"}), Mistake::kOther);
  EXPECT_EQ(Kinds().mistake_of({"--share", "1.5"}), Mistake::kOther);
  EXPECT_EQ(Kinds().mistake_of({"--kind", "up"}), Mistake::kOther);
  EXPECT_EQ(Kinds().mistake_of({"-t", "a", "-t"}), Mistake::kOther);
}

TEST(CommandLine, ACallbackMaySayThatTheUseIsWrong) {
  Kinds kinds;
  bool called = false;
  kinds.verb.callback([&called] {
    called = true;
    throw WrongUse::missing("--this");
  });
  EXPECT_EQ(kinds.mistake_of({"verb", "word"}), Mistake::kMissing);
  EXPECT_TRUE(called);
}

TEST(CommandLine, HelpIsNoMistakeAndNothingToRun) {
  Kinds kinds;
  testing::internal::CaptureStdout();
  EXPECT_FALSE(kinds.parse({"--help"}));
  EXPECT_THAT(testing::internal::GetCapturedStdout(), testing::AllOf(HasSubstr("--port"), HasSubstr("8000"), HasSubstr("verb")));
}

TEST(CommandLine, ExplainsOnStandardErrorAndAnswersTwo) {
  Kinds kinds;
  const char* words[] = {"kinds", "--port", "0"};
  testing::internal::CaptureStderr();
  EXPECT_EQ(kinds.program.parse_or_explain(3, words), 2);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::AllOf(HasSubstr("--port"), HasSubstr("--help")));
  EXPECT_EQ(Kinds().program.parse_or_explain(1, words), std::nullopt);
}

TEST(CommandLine, NoCommandWasNeverChosen) { EXPECT_FALSE(Command().parsed()); }

}  // namespace
}  // namespace command_line
