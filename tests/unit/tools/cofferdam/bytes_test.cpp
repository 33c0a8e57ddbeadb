// Text forms of bytes, strict reading of CBOR, and files.
#include "tools/cofferdam/bytes.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tools/cofferdam/cbor.hpp"
#include "tools/cofferdam/crypto.hpp"

namespace {

using cofferdam::Bytes;
using cofferdam::CborError;
using cofferdam::CborReader;

TEST(TextForms, HexadecimalIsStrict) {
  EXPECT_EQ(cofferdam::from_hex("00fFA5"), (Bytes{0x00, 0xff, 0xa5}));
  EXPECT_EQ(cofferdam::to_hex(Bytes{0x00, 0xff, 0xa5}), "00ffa5");
  EXPECT_EQ(cofferdam::from_hex(""), Bytes{});
  for (const char* text : {"0", "0g", "0x00", " 00", "00 "}) EXPECT_FALSE(cofferdam::from_hex(text)) << text;
}

TEST(TextForms, Base64OfRfc4648) {
  const std::vector<std::pair<std::string, std::string>> vectors{
      {"", ""},         {"f", "Zg=="},         {"fo", "Zm8="},        {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(cofferdam::to_base64(cofferdam::as_bytes(plain)), encoded);
    const auto decoded = cofferdam::from_base64(encoded);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(cofferdam::as_text(*decoded), plain);
  }
  EXPECT_EQ(cofferdam::from_base64("-_8"), (Bytes{0xfb, 0xff}));  // the URL alphabet, without padding
  for (const char* text : {"A", "Zg=", "Zm9v=", "Zh==", "Zm9=", "Z!==", "Zg==Zg=="}) {
    EXPECT_FALSE(cofferdam::from_base64(text)) << text;
  }
}

TEST(TextForms, Utf8) {
  for (const Bytes& good : {Bytes{}, Bytes{0x41}, Bytes{0xc3, 0xa9}, Bytes{0xe2, 0x82, 0xac}, Bytes{0xf0, 0x9f, 0x98, 0x80}}) {
    EXPECT_TRUE(cofferdam::is_valid_utf8(good));
  }
  for (const Bytes& bad : {Bytes{0x80}, Bytes{0xc3}, Bytes{0xc0, 0x80}, Bytes{0xed, 0xa0, 0x80}, Bytes{0xf4, 0x90, 0x80, 0x80},
                           Bytes{0xe2, 0x82}, Bytes{0xff}, Bytes{0xc3, 0x28}}) {
    EXPECT_FALSE(cofferdam::is_valid_utf8(bad)) << cofferdam::to_hex(bad);
  }
}

TEST(TextForms, NothingHarmfulIsPrinted) {
  EXPECT_EQ(cofferdam::printable(cofferdam::as_bytes("a\033[2Jb\n\\")), "a\\1b[2Jb\\0a\\5c");
  EXPECT_EQ(cofferdam::printable(Bytes{0xff, 0x41}), "\\ffA");
}

TEST(Cbor, WholeNumbersOfEverySize) {
  const std::vector<std::pair<std::uint64_t, std::string>> vectors{
      {0, "00"},        {23, "17"},         {24, "1818"},           {255, "18ff"},
      {256, "190100"}, {65535, "19ffff"}, {65536, "1a00010000"}, {0xffffffff, "1affffffff"},
      {0x100000000, "1b0000000100000000"}, {~std::uint64_t{0}, "1bffffffffffffffff"}};
  for (const auto& [number, hex] : vectors) {
    cofferdam::CborWriter writer;
    writer.unsigned_integer(number);
    EXPECT_EQ(cofferdam::to_hex(writer.result()), hex);
    const Bytes encoded = *cofferdam::from_hex(hex);
    CborReader reader(encoded);
    EXPECT_EQ(reader.unsigned_integer(), number);
    EXPECT_TRUE(reader.at_end());
  }
  const Bytes negative{0x38, 0x22};
  EXPECT_EQ(CborReader(negative).integer(), -35);
  const Bytes least{0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  EXPECT_THROW((void)CborReader(least).integer(), CborError);
}

TEST(Cbor, SkippingIsBoundedInDepthAndTakesWholeItems) {
  for (const char* good : {"00", "a0", "83010203", "9f0102ff", "bf6161019f02ff01ff", "c11a00000001", "f90000", "fb0000000000000000",
                           "f4", "f6", "f7", "8181818181818100"}) {
    const Bytes bytes = *cofferdam::from_hex(good);
    CborReader reader(bytes);
    EXPECT_NO_THROW(reader.skip()) << good;
    EXPECT_TRUE(reader.at_end()) << good;
  }
  for (const char* bad : {"", "18", "5801", "8301", "9f01", "bf01ff", "ff", "1c", "5f4100ff", "818181818181818181", "c1",
                          "9bffffffffffffffff", "7bffffffffffffffff00"}) {
    const Bytes bytes = *cofferdam::from_hex(bad);
    CborReader reader(bytes);
    EXPECT_THROW(reader.skip(), CborError) << bad;
  }
}

TEST(Files, ErrorsSayWhatIsWrong) {
  EXPECT_THROW((void)cofferdam::read_file("/nonexistent/file", 10), cofferdam::Unreadable);
  EXPECT_THROW((void)cofferdam::read_file("/", 10), cofferdam::Unreadable);
  EXPECT_THROW((void)cofferdam::read_file("/dev/zero", 1000), cofferdam::Unreadable);
  EXPECT_THROW(cofferdam::write_file("/nonexistent/file", Bytes{1}), cofferdam::Unreadable);
}

TEST(Files, AFailedWriteLeavesTheOldFile) {
  const std::string path = testing::TempDir() + "cofferdam_write_test";
  cofferdam::write_file(path, Bytes{1, 2});
  EXPECT_EQ(cofferdam::read_file(path, 10), (Bytes{1, 2}));
  std::filesystem::create_directory(path + ".partial");  // in the way of the temporary file
  EXPECT_THROW(cofferdam::write_file(path, Bytes{3}), cofferdam::Unreadable);
  EXPECT_EQ(cofferdam::read_file(path, 10), (Bytes{1, 2}));
  std::filesystem::remove(path + ".partial");
  std::filesystem::remove(path);
}

TEST(Files, ASecretIsItsOwnersAlone) {
  using std::filesystem::perms;
  const std::string path = testing::TempDir() + "cofferdam_private_test";
  constexpr perms kOwners = perms::owner_read | perms::owner_write;
  cofferdam::write_file(path + ".partial", Bytes{});  // left there by whoever was interrupted, with its mode
  cofferdam::write_private_file(path, Bytes{1, 2});
  EXPECT_EQ(std::filesystem::status(path).permissions(), kOwners);
  EXPECT_EQ(cofferdam::read_private_file(path, 2), (Bytes{1, 2}));
  EXPECT_THROW((void)cofferdam::read_private_file(path, 1), cofferdam::Unreadable);
  for (const perms others : {perms::group_read, perms::group_write, perms::others_read, perms::others_write}) {
    std::filesystem::permissions(path, kOwners | others);
    EXPECT_THROW((void)cofferdam::read_private_file(path, 2), cofferdam::NotPrivate) << static_cast<unsigned>(others);
  }
  std::filesystem::remove(path);
  EXPECT_THROW((void)cofferdam::read_private_file(path, 2), cofferdam::Unreadable);
}

// As service managers hand secrets over: root's, readable by the service's group.
TEST(Files, ASecretOfRootsMayBeReadByItsGroupButNoOthers) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a file of root's";
  constexpr uid_t kNobody = 65534;
  const std::string path = testing::TempDir() + "cofferdam_group_test";
  cofferdam::write_private_file(path, Bytes{1, 2});
  ASSERT_EQ(::chown(path.c_str(), 0, kNobody), 0);
  const auto read_by_nobody = [&](mode_t mode) {
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    EXPECT_EQ(::setegid(kNobody), 0);
    EXPECT_EQ(::seteuid(kNobody), 0);
    bool taken = true;
    try {
      taken = cofferdam::read_private_file(path, 2) == Bytes{1, 2};
    } catch (const cofferdam::NotPrivate&) {
      taken = false;
    }
    EXPECT_EQ(::seteuid(0), 0);
    EXPECT_EQ(::setegid(0), 0);
    return taken;
  };
  EXPECT_TRUE(read_by_nobody(0640));
  EXPECT_FALSE(read_by_nobody(0660));
  EXPECT_FALSE(read_by_nobody(0644));
  EXPECT_THROW((void)cofferdam::read_private_file(path, 2), cofferdam::NotPrivate) << "root has no need of its group";
  std::filesystem::remove(path);
}

}  // namespace
