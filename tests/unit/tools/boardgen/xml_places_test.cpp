// Places of elements and attributes, and what is refused before any tree is built.
#include "tools/boardgen/xml_places.hpp"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/tools/boardgen/board_files.hpp"
#include "tools/boardgen/xml_document.hpp"

namespace {

using boardgen::find_places;
using boardgen::Location;

std::string text_of(Location where) { return std::to_string(where.line) + ":" + std::to_string(where.column); }

TEST(XmlPlaces, CountsLinesAndColumnsFromOne) {
  const auto places = find_places("<a x=\"1\">\n  <b  yy = '22'/>\n</a>\n");
  ASSERT_FALSE(places.refused);
  ASSERT_EQ(places.elements.size(), 2U);
  EXPECT_EQ(text_of(places.elements[0].tag), "1:1");
  EXPECT_EQ(text_of(places.elements[0].attributes[0].name), "1:4");
  EXPECT_EQ(text_of(places.elements[0].attributes[0].value), "1:7");
  EXPECT_EQ(text_of(places.elements[1].tag), "2:3");
  EXPECT_EQ(text_of(places.elements[1].attributes[0].name), "2:7");
  EXPECT_EQ(text_of(places.elements[1].attributes[0].value), "2:13");
}

TEST(XmlPlaces, ACharacterOfSeveralBytesIsOneColumn) {
  const auto places = find_places("<!-- \xC3\xA9\xE2\x82\xAC --><a/>");
  ASSERT_FALSE(places.refused);
  EXPECT_EQ(text_of(places.elements[0].tag), "1:12");
}

TEST(XmlPlaces, ByteOrderMarkTakesNoColumn) {
  const auto places = find_places("\xEF\xBB\xBF<a/>");
  ASSERT_FALSE(places.refused);
  EXPECT_EQ(text_of(places.elements[0].tag), "1:1");
}

TEST(XmlPlaces, CommentsMayHoldMarkupAndOtherScripts) {
  const auto places = find_places("<!-- <b c='&x;'> \xCE\xA9 --><a/><!-- end -->\n");
  ASSERT_FALSE(places.refused) << places.refused->what;
  EXPECT_EQ(places.elements.size(), 1U);
}

TEST(XmlPlaces, RefusesAFileAboveTheLimitAndTakesOneAtIt) {
  const std::string start = "<a/><!--", end = "-->";
  const std::string fits = start + std::string(boardgen::kMaxFileBytes - start.size() - end.size(), 'x') + end;
  EXPECT_FALSE(find_places(fits).refused);
  const auto places = find_places(fits + "\n");
  ASSERT_TRUE(places.refused);
  EXPECT_EQ(places.refused->what, "the file is larger than 1 MiB");
}

TEST(XmlPlaces, BoundsAreReachedExactly) {
  const auto nested = [](std::size_t depth) {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i) text += "<a>";
    for (std::size_t i = 0; i < depth; ++i) text += "</a>";
    return text;
  };
  EXPECT_FALSE(find_places(nested(boardgen::kMaxDepth)).refused);
  EXPECT_TRUE(find_places(nested(boardgen::kMaxDepth + 1)).refused);
  const auto many = [](std::size_t count) {
    std::string text = "<a>";
    for (std::size_t i = 1; i < count; ++i) text += "<b/>";
    return text + "</a>";
  };
  EXPECT_FALSE(find_places(many(boardgen::kMaxElements)).refused);
  EXPECT_TRUE(find_places(many(boardgen::kMaxElements + 1)).refused);
  const auto valued = [](std::size_t length) { return "<a x=\"" + std::string(length, 'v') + "\"/>"; };
  EXPECT_FALSE(find_places(valued(boardgen::kMaxAttributeBytes)).refused);
  EXPECT_TRUE(find_places(valued(boardgen::kMaxAttributeBytes + 1)).refused);
}

// tinyxml2 reads the text again; what the two disagree on is refused. So whatever the scanner takes, tinyxml2 takes.
TEST(XmlPlaces, AgreesWithTinyxml2OnEveryShippedBoard) {
  for (const std::string& name : board_files::shipped()) {
    const auto parsed = boardgen::parse_xml(board_files::xml_of(name));
    EXPECT_TRUE(std::holds_alternative<std::unique_ptr<boardgen::Element>>(parsed)) << name;
  }
}

// Any byte of a good board changed, removed or doubled: an answer, never a crash; and every refusal has words.
TEST(XmlPlaces, DamagedBoardsAreAnswered) {
  const std::string good = board_files::xml_of("tiny-model");
  std::mt19937_64 random(20240611);
  std::size_t refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = good;
    const std::size_t changes = 1 + random() % 4;
    for (std::size_t change = 0; change < changes; ++change) {
      if (text.empty()) break;
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, 1 + random() % 16);
          break;
        case 2:
          text.insert(at, text.substr(random() % text.size(), random() % 32));
          break;
        default:
          text.resize(at + 1);
          break;
      }
    }
    const auto result = boardgen::read_description(text);
    const auto* errors = std::get_if<boardgen::Diagnostics>(&result);
    if (errors == nullptr) continue;
    ++refused;
    ASSERT_FALSE(errors->empty());
    for (const auto& error : *errors) {
      ASSERT_FALSE(error.what.empty() || error.mend.empty()) << text;
      ASSERT_GT(error.where.line, 0U) << error.what;
    }
  }
  EXPECT_GT(refused, 10000U);
}

}  // namespace
