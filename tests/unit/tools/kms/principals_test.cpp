// The principals file while the service runs: when it is read again, and what is said of one that can't be.
#include "tools/kms/principals.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "tests/unit/tools/kms/store/databases.hpp"
#include "tools/cofferdam/bytes.hpp"

namespace {

namespace fs = std::filesystem;
using kms::Principals;

std::string principal(const std::string& name) {
  return R"({"arn": "arn:aws:iam::111122223333:user/)" + name + R"(", "keys": [{"access_key_id": "AKIA)" + std::string(16, name[0]) +
         R"(", "secret": "a-secret-that-is-long-enough"}]})";
}

class KmsPrincipals : public testing::Test {
 protected:
  void write(const std::string& text) { cofferdam::write_private_file(file_, cofferdam::as_bytes(text)); }
  void write_principals(const std::string& list) { write(R"({"principals": [)" + list + "]}"); }
  // Which of A and B may call, when the second has passed in which it isn't looked.
  static std::string known(Principals& principals) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1050));
    const auto credentials = principals.current();
    std::string names;
    for (const char name : {'A', 'B'}) {
      if (credentials->by_access_key_id.contains("AKIA" + std::string(16, name))) names += name;
    }
    return names;
  }
  static std::size_t lines(const std::string& text) { return static_cast<std::size_t>(std::ranges::count(text, '\n')); }

  kms::ScratchFolder folder_{kms::ScratchFolder::On::kMemory};
  std::string file_ = folder_.path() + "/principals.json";
};

TEST_F(KmsPrincipals, AFileThatCouldNotBeReadIsReadWhenItCan) {
  write_principals(principal("A") + "," + principal("B"));
  Principals principals(file_);
  testing::internal::CaptureStderr();
  write("{");
  EXPECT_EQ(known(principals), "AB");
  EXPECT_EQ(known(principals), "AB");
  EXPECT_EQ(lines(testing::internal::GetCapturedStderr()), 1U) << "each version is reported once";
  // Mended with the times of the broken one, as chmod and chown leave them: B's credential must go.
  const auto written = fs::last_write_time(file_);
  write_principals(principal("A"));
  fs::last_write_time(file_, written);
  EXPECT_EQ(known(principals), "A");
  // So must a file be read that another one with its times was put in the place of.
  write_principals(principal("B"));
  fs::last_write_time(file_, written);
  EXPECT_EQ(known(principals), "B");
}

TEST_F(KmsPrincipals, OneThatOthersMayReadIsRefusedAtTheStartAndLaterCountsWithAComplaint) {
  write_principals(principal("A") + "," + principal("B"));
  fs::permissions(file_, fs::perms::others_read, fs::perm_options::add);
  EXPECT_THROW(Principals{file_}, cofferdam::NotPrivate);
  write_principals(principal("A") + "," + principal("B"));
  Principals principals(file_);
  testing::internal::CaptureStderr();
  write_principals(principal("A"));
  fs::permissions(file_, fs::perms::others_read, fs::perm_options::add);
  EXPECT_EQ(known(principals), "A") << "B was withdrawn";
  EXPECT_EQ(known(principals), "A");
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(lines(said), 1U) << said;
  EXPECT_NE(said.find("chmod 600 " + file_), std::string::npos) << said;
}

TEST_F(KmsPrincipals, AFileThatIsGoneIsReportedOnceEachTime) {
  write_principals(principal("A"));
  Principals principals(file_);
  for (int i = 0; i < 2; ++i) {
    testing::internal::CaptureStderr();
    fs::rename(file_, file_ + ".away");
    EXPECT_EQ(known(principals), "A");
    EXPECT_EQ(known(principals), "A");
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_EQ(lines(said), 1U) << said;
    EXPECT_NE(said.find(file_), std::string::npos) << said;
    fs::rename(file_ + ".away", file_);
    EXPECT_EQ(known(principals), "A");
  }
}

}  // namespace
