// The reader of archives that needs no library lays what the other one lays, and takes nothing malformed.
#include "tools/cofferdam/image/plain_tar.hpp"

#include <gmock/gmock.h>

#include <cstdlib>

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

TEST_F(PlainTar, SparseFilesAndPathsThatLeaveAreRefused) {
  ASSERT_EQ(std::system(("mkdir -p " + path("r") + " && truncate -s 1M " + path("r/holes")).c_str()), 0);
  EXPECT_THAT(refusal(packed("--format=pax -S")), testing::HasSubstr("sparse"));
  EXPECT_THAT(refusal(packed("--format=gnu -S")), testing::HasSubstr("kind"));
  EXPECT_THAT(refusal(packed("-P --transform='s,^./holes,../holes,'")), testing::HasSubstr("leaves the archive"));
}

}  // namespace
