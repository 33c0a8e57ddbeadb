// The reader of archives that needs no library lays what the other one lays, and takes nothing malformed.
#include "tools/cofferdam/image/plain_tar.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <numeric>

#include "tests/unit/tools/cofferdam/image/scratch_folder.hpp"
#include "tools/cofferdam/image/cpio.hpp"

namespace {

using cofferdam::Bytes;
using cofferdam::FileTree;

class PlainTar : public image_test::ScratchFolder {
 protected:
  Bytes packed(const std::string& options) const {
    EXPECT_EQ(std::system(("tar " + options + " -cf " + path("x.tar") + " -C " + path("r") + " .").c_str()), 0);
    return cofferdam::read_file(path("x.tar"), std::size_t{1} << 24);
  }
  static std::string refusal(const Bytes& archive) {
    FileTree tree;
    std::vector<std::string> warnings;
    try {
      cofferdam::read_plain_tar(archive, "x.tar", {}, tree, warnings);
    } catch (const cofferdam::Unreadable& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(PlainTar, IsReadAsWithTheLibrary) {
  write("r/bin/app", "program", 0755);
  write("r/etc/conf", "", 0600);
  write("r/" + std::string(90, 'd') + "/" + std::string(120, 'f') + "/\xc3\xa4", "long");
  write("r/odd", std::string(513, 'x'));
  std::filesystem::create_symlink("bin/app", path("r/link"));
  std::filesystem::create_symlink(std::string(150, 't'), path("r/far"));
  std::filesystem::create_hard_link(path("r/bin/app"), path("r/twin"));
  ASSERT_EQ(std::system(("mkfifo " + path("r/pipe")).c_str()), 0);
  for (const char* options : {"--format=gnu", "--format=pax", "--format=pax --owner=nobody:65534 --group=x:2222222", "--format=gnu --owner=big:4000000000"}) {
    const Bytes archive = packed(options);
    for (const bool keep : {false, true}) {
      FileTree plain, library;
      std::vector<std::string> warnings;
      cofferdam::read_plain_tar(archive, "x.tar", {.keep = keep}, plain, warnings);
      cofferdam::read_tar(path("x.tar"), {.keep = keep}, library, warnings);
      EXPECT_EQ(cofferdam::write_cpio(plain), cofferdam::write_cpio(library)) << options << keep;
      EXPECT_EQ(plain.find("odd")->content->size(), 513U);
      EXPECT_THAT(warnings, testing::IsEmpty());
    }
  }
}

TEST_F(PlainTar, EveryCutAndEveryBrokenHeaderIsRefused) {
  write("r/a", std::string(600, 'a'));
  const Bytes archive = packed("--format=pax --sort=name");
  // Behind the last file come only zeros, which may be missing.
  std::size_t end = archive.size();
  while (end > 0 && archive[end - 1] == 0) --end;
  for (std::size_t size = 1; size < end; ++size) {
    if (size % 512 == 0) continue;  // between two members an archive may end
    EXPECT_NE(refusal(Bytes(archive.begin(), archive.begin() + static_cast<std::ptrdiff_t>(size))), "") << size;
  }
  for (std::size_t at = 0; at < 512; ++at) {
    if (at == 155) continue;  // the blank behind the checksum means nothing
    Bytes broken = archive;
    broken[at] ^= 0x41;
    EXPECT_NE(refusal(broken), "") << at;
  }
  EXPECT_THAT(refusal({}), testing::HasSubstr("empty archive"));
  EXPECT_THAT(refusal(Bytes(1024, 0)), testing::HasSubstr("empty archive"));
  EXPECT_THAT(refusal({0x1f, 0x8b, 8, 0}), testing::HasSubstr("gunzip"));
}

// A field of the first member's header in GNU's binary form, and the checksum that belongs to it.
void set_number(Bytes& archive, std::size_t at, std::size_t size, std::uint64_t value) {
  for (std::size_t i = size; i-- > 1; value >>= 8) archive[at + i] = static_cast<std::uint8_t>(value);
  archive[at] = 0x80;
  std::fill_n(archive.begin() + 148, 8, std::uint8_t{' '});
  const unsigned sum = std::accumulate(archive.begin(), archive.begin() + 512, 0U);
  std::snprintf(reinterpret_cast<char*>(archive.data() + 148), 8, "%06o", sum);
}

TEST_F(PlainTar, NumbersThatARamdiskHasNoRoomForAreRefusedByBothReaders) {
  std::filesystem::create_directories(path("r"));
  ASSERT_EQ(std::system(("mkfifo " + path("r/app")).c_str()), 0);
  const auto refused = [this](const Bytes& archive) {
    std::ofstream(path("x.tar"), std::ios::binary).write(reinterpret_cast<const char*>(archive.data()), static_cast<std::streamsize>(archive.size()));
    FileTree tree;
    std::vector<std::string> warnings;
    try {
      cofferdam::read_tar(path("x.tar"), {}, tree, warnings);
    } catch (const cofferdam::Unreadable& error) {
      return refusal(archive) + " | " + error.what();
    }
    return refusal(archive);
  };
  constexpr std::uint64_t kMost = 0xFFFFFFFF;
  const Bytes good = packed("--format=gnu");
  struct Field {
    std::size_t at;
    const char* said;
    char type;  // of the member
  };
  for (const auto& [at, said, type] : {Field{108, "the owner of './' is ", '5'}, Field{116, "the group of './' is ", '5'},
                                       Field{329, "the device of './' is ", '3'}, Field{337, "the device of './' is ", '4'}}) {
    Bytes archive = good;
    archive[156] = static_cast<std::uint8_t>(type);
    if (at > 300) set_number(archive, at == 329 ? 337 : 329, 8, 1);
    set_number(archive, at, 8, kMost);
    EXPECT_EQ(refused(archive), "") << at;
    set_number(archive, at, 8, kMost + 1);
    const std::string both = refused(archive);
    EXPECT_THAT(both, testing::StartsWith(std::string("x.tar: ") + said + "4294967296, and a ramdisk has 32 bits for it")) << at;
    EXPECT_THAT(both, testing::HasSubstr(" | " + path("x.tar: ") + said + "4294967296")) << at;
  }
  // As pax headers say it, in decimal.
  for (const char* name : {"uid", "gid"}) {
    const std::string option = std::string("--format=pax --pax-option=") + name + ":=";
    EXPECT_EQ(refused(packed(option + "4294967295")), "") << name;
    EXPECT_THAT(refused(packed(option + "4294967296")), testing::ContainsRegex("is 4294967296.* [|] .*is 4294967296")) << name;
  }
}

TEST_F(PlainTar, SparseFilesAndPathsThatLeaveAreRefused) {
  ASSERT_EQ(std::system(("mkdir -p " + path("r") + " && truncate -s 1M " + path("r/holes")).c_str()), 0);
  EXPECT_THAT(refusal(packed("--format=pax -S")), testing::HasSubstr("sparse"));
  EXPECT_THAT(refusal(packed("--format=gnu -S")), testing::HasSubstr("kind"));
  EXPECT_THAT(refusal(packed("-P --transform='s,^./holes,../holes,'")), testing::HasSubstr("leaves the archive"));
}

}  // namespace
