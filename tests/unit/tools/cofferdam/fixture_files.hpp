// Fixtures by their name in COFFERDAM_FIXTURES; tests that need an absent one are skipped, visibly.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/cofferdam/bytes.hpp"

namespace test_data {

inline std::string fixture_path(const std::string& name) { return std::string(COFFERDAM_FIXTURES) + "/" + name; }
inline bool has_fixtures() { return std::filesystem::exists(fixture_path("README.md")); }
inline cofferdam::Bytes fixture(const std::string& name) { return cofferdam::read_file(fixture_path(name), 1 << 24); }
inline nlohmann::json fixture_json(const std::string& name) {
  return nlohmann::json::parse(cofferdam::as_text(fixture(name)));
}

class FixtureTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_fixtures()) GTEST_SKIP() << "no fixtures in " << COFFERDAM_FIXTURES;
  }
};

}  // namespace test_data
