#include "tools/strict_json/strict_json.hpp"

#include <gtest/gtest.h>

namespace {

constexpr const char* kNoJson[] = {"", "{", "{}x", R"({"a":1,"a":1})", R"({"b":{"a":1,"a":2}})", R"([{"a":1,"a":2}])", "{\"a\":\"\xFF\"}", R"({"a":1e999})"};

TEST(StrictJson, EachNameOnceAndNothingBehindIt) {
  std::string why;
  EXPECT_TRUE(strict_json::parse(R"({"a":{"a":1},"b":[{"a":1},{"a":2}]})", 8, why));
  EXPECT_TRUE(strict_json::parse("1", 8, why));
  for (const char* bad : kNoJson) {
    why.clear();
    EXPECT_FALSE(strict_json::parse(bad, 8, why)) << bad;
    EXPECT_NE(why, "") << bad;
    EXPECT_FALSE(strict_json::parse_object(bad, 8)) << bad;
  }
}

TEST(StrictJson, DepthIsBounded) {
  std::string why;
  EXPECT_TRUE(strict_json::parse(R"({"a":[[1]]})", 3, why));
  EXPECT_FALSE(strict_json::parse(R"({"a":[[1]]})", 2, why));
  EXPECT_FALSE(strict_json::parse(std::string(1000000, '['), 8, why));
  EXPECT_EQ(why, "nested deeper than 8");
}

TEST(StrictJson, AnObjectIsAskedForAndItsStringsAre) {
  for (const char* other : {"1", "[]", "null", "\"{}\""}) EXPECT_FALSE(strict_json::parse_object(other, 8)) << other;
  const auto object = strict_json::parse_object(R"({"text":"a","number":1,"none":null})", 8);
  ASSERT_TRUE(object);
  EXPECT_EQ(strict_json::string_at(*object, "text"), "a");
  for (const char* no_text : {"number", "none", "absent"}) EXPECT_EQ(strict_json::string_at(*object, no_text), std::nullopt) << no_text;
}

}  // namespace
