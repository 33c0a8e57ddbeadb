#include "tools/xks/audit.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

struct File {
  std::string path = (std::filesystem::temp_directory_path() / ("xks-audit-" + std::to_string(::getpid()))).string();
  File() { std::filesystem::remove(path); }
  ~File() { std::filesystem::remove(path); }
  [[nodiscard]] std::vector<Json> lines() const {
    std::ifstream in(path);
    std::vector<Json> all;
    for (std::string line; std::getline(in, line);) all.push_back(Json::parse(line));
    return all;
  }
};

xks::AuditEntry by(const std::string& access_key_id) {
  xks::AuditEntry entry;
  entry.call = "decrypt";
  entry.access_key_id = access_key_id;
  return entry;
}

TEST(XksAudit, StrangersAreCountedAndWhoSignedHasALineEach) {
  const File file;
  auto time = std::chrono::steady_clock::now();
  {
    xks::AuditLog log(file.path);
    log.clock = [&time] { return time; };
    for (int i = 0; i < 1000; ++i) log.write(by(""));
    EXPECT_EQ(file.lines().size(), 10U);
    for (int i = 0; i < 50; ++i) log.write(by("ABCDEFGHIJKLMNOPQRST"));
    EXPECT_EQ(file.lines().size(), 60U);
    time += 61s;
    log.write(by(""));
    ASSERT_EQ(file.lines().size(), 62U);
    EXPECT_EQ(file.lines()[60].at("event"), "strangers-refused");
    EXPECT_EQ(file.lines()[60].at("count"), 990);
    for (int i = 0; i < 12; ++i) log.write(by(""));
    EXPECT_EQ(file.lines().size(), 71U) << "ten a minute";
  }
  EXPECT_EQ(file.lines().back().at("count"), 3) << "told when the proxy ends";
}

}  // namespace
