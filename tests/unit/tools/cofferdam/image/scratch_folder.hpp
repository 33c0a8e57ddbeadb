// A folder of one test, and an independent reading of cpio archives.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tools/cofferdam/bytes.hpp"

namespace image_test {

class ScratchFolder : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(testing::TempDir()) / (std::string("image_") + info->test_suite_name() + "_" + info->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).native(); }
  std::string write(const std::string& name, const std::string& text, unsigned mode = 0644) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
    std::filesystem::permissions(folder_ / name, std::filesystem::perms(mode));
    return path(name);
  }
  std::filesystem::path folder_;
};

struct CpioEntry {
  std::string path;
  std::uint32_t inode{}, mode{}, user{}, group{}, links{}, time{}, device_major{}, device_minor{};
  std::string content;
};

// Up to the trailer; fails the test where the format is broken.
inline std::vector<CpioEntry> read_cpio(const cofferdam::Bytes& archive) {
  std::vector<CpioEntry> entries;
  std::size_t at = 0;
  const auto field = [&](unsigned number) {
    const std::string digits(archive.begin() + static_cast<std::ptrdiff_t>(at + 6 + 8 * number), archive.begin() + static_cast<std::ptrdiff_t>(at + 14 + 8 * number));
    return static_cast<std::uint32_t>(std::stoul(digits, nullptr, 16));
  };
  while (at + 110 <= archive.size()) {
    EXPECT_EQ(std::string(archive.begin() + static_cast<std::ptrdiff_t>(at), archive.begin() + static_cast<std::ptrdiff_t>(at + 6)), "070701");
    CpioEntry entry{"", field(0), field(1), field(2), field(3), field(4), field(5), field(9), field(10), ""};
    const std::size_t size = field(6), name = field(11), start = (at + 110 + name + 3) / 4 * 4;
    if (start + size > archive.size()) break;
    entry.path.assign(archive.begin() + static_cast<std::ptrdiff_t>(at + 110), archive.begin() + static_cast<std::ptrdiff_t>(at + 110 + name - 1));
    entry.content.assign(archive.begin() + static_cast<std::ptrdiff_t>(start), archive.begin() + static_cast<std::ptrdiff_t>(start + size));
    at = (start + size + 3) / 4 * 4;
    if (entry.path == "TRAILER!!!") {
      EXPECT_TRUE(cofferdam::all_zero(cofferdam::ByteView(archive).subspan(at)));
      EXPECT_EQ(archive.size() % 512, 0U);
      return entries;
    }
    entries.push_back(std::move(entry));
  }
  ADD_FAILURE() << "no trailer";
  return entries;
}

inline const CpioEntry* find(const std::vector<CpioEntry>& entries, const std::string& path) {
  for (const CpioEntry& entry : entries) {
    if (entry.path == path) return &entry;
  }
  return nullptr;
}

}  // namespace image_test
