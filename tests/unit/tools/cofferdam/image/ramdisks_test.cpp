// The two ramdisks: where things lie in them, and that they depend on what went in and on nothing else.
#include "tools/cofferdam/image/ramdisks.hpp"

#include <gmock/gmock.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/unit/tools/cofferdam/image/scratch_folder.hpp"

namespace {

using cofferdam::ApplicationRamdisk;
using cofferdam::Bytes;
using cofferdam::Unreadable;
using image_test::CpioEntry;
using image_test::find;
using image_test::read_cpio;

constexpr const char* kElf = "\x7f" "ELF....";

class Ramdisks : public image_test::ScratchFolder {
 protected:
  // The same root, made in another order, at another time, under another umask.
  std::string root(const std::string& name, bool other) const {
    const mode_t before = ::umask(other ? 077 : 002);
    const auto make = [&](const std::string& file) {
      if (file == "bin/app") write(name + "/bin/app", kElf, other ? 0700 : 0775);
      if (file == "etc/conf") write(name + "/etc/conf", "a=b\n", other ? 0600 : 0664);
      if (file == "link") std::filesystem::create_symlink("bin/app", folder_ / name / "link");
      if (file == "empty") std::filesystem::create_directories(folder_ / name / "empty");
      if (file == "twin") std::filesystem::create_hard_link(folder_ / name / "bin/app", folder_ / name / "twin");
    };
    std::vector<std::string> files{"bin/app", "twin", "etc/conf", "empty", "link"};
    if (other) files = {"empty", "etc/conf", "bin/app", "link", "twin"};
    for (const std::string& file : files) make(file);
    ::umask(before);
    const timespec times[2] = {{other ? 1'000'000'000 : 1'700'000'000, 0}, {other ? 1'000'000'000 : 1'700'000'000, 0}};
    for (const char* file : {"bin/app", "etc/conf", "empty", ""}) ::utimensat(AT_FDCWD, path(name + "/" + file).c_str(), times, 0);
    return path(name);
  }
  static Bytes application(const ApplicationRamdisk& application) {
    std::vector<std::string> warnings;
    return cofferdam::application_ramdisk(application, warnings);
  }
  static std::string refusal(const ApplicationRamdisk& given) {
    try {
      (void)application(given);
    } catch (const Unreadable& error) {
      return error.what();
    }
    return "";
  }
  void tar(const std::string& options, const std::string& file, const std::string& from) const {
    ASSERT_EQ(std::system(("tar " + options + " -cf " + path(file) + " -C " + from + " .").c_str()), 0);
  }
};

TEST_F(Ramdisks, AnApplicationLiesBelowRootfsBesideCmdAndEnv) {
  const auto entries = read_cpio(application({.roots = {root("r", false)}, .command = {"/bin/app", "-x", "", "two words"}, .environment = {"A=1", "B="}}));
  EXPECT_EQ(find(entries, "cmd")->content, "/bin/app\n-x\n\ntwo words\n");
  EXPECT_EQ(find(entries, "env")->content, "A=1\nB=\n");
  EXPECT_EQ(find(entries, "rootfs/etc/conf")->content, "a=b\n");
  EXPECT_EQ(find(entries, "rootfs/etc/conf")->mode, unsigned{S_IFREG} | 0644U);
  EXPECT_EQ(find(entries, "rootfs/bin/app")->mode, unsigned{S_IFREG} | 0755U);
  EXPECT_EQ(find(entries, "rootfs/bin/app")->inode, find(entries, "rootfs/twin")->inode);
  EXPECT_EQ(find(entries, "rootfs/link")->content, "bin/app");
  for (const char* place : {"rootfs/dev", "rootfs/proc", "rootfs/sys", "rootfs/run", "rootfs/tmp"}) EXPECT_NE(find(entries, place), nullptr) << place;
  for (const CpioEntry& entry : entries) EXPECT_EQ(entry.user + entry.group + entry.time, 0U) << entry.path;
}

TEST_F(Ramdisks, TimesOrderAndUmaskDontMatter) {
  EXPECT_EQ(application({.roots = {root("one", false)}, .command = {"/bin/app"}}), application({.roots = {root("two", true)}, .command = {"/bin/app"}}));
  EXPECT_NE(application({.roots = {path("one")}, .command = {"/bin/app"}}), application({.roots = {path("one")}, .command = {"/bin/app", "x"}}));
}

TEST_F(Ramdisks, AttributesAreKeptWhenAskedFor) {
  const auto entries = read_cpio(application({.roots = {root("r", false)}, .command = {"/bin/app"}, .attributes = {.keep = true}}));
  EXPECT_EQ(find(entries, "rootfs/bin/app")->mode, unsigned{S_IFREG} | 0775U);
  EXPECT_EQ(find(entries, "rootfs/bin/app")->user, ::getuid());
}

TEST_F(Ramdisks, ATarArchiveInEachFormatIsTheFolder) {
  const std::string folder = root("r", false);
  write("r/" + std::string(90, 'd') + "/" + std::string(120, 'f') + "/\xc3\xa4", "long");
  for (const char* file : {"bin/app", "etc/conf"}) ::chmod(path(std::string("r/") + file).c_str(), file[0] == 'b' ? 0755 : 0644);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_directory()) ::chmod(entry.path().c_str(), 0755);
  }
  const Bytes expected = application({.roots = {folder}, .command = {"/bin/app"}});
  for (const char* options : {"--format=gnu", "--format=pax", "--format=pax -z", "--format=gnu -J"}) {
    tar(options, "root.tar", folder);
    EXPECT_EQ(application({.roots = {path("root.tar")}, .command = {"/bin/app"}}), expected) << options;
  }
}

TEST_F(Ramdisks, OneRootLiesOverTheOther) {
  std::filesystem::create_directories(path("low/usr/lib"));
  std::filesystem::create_directory_symlink("/usr/lib", path("low/lib"));
  write("low/usr/lib/a", "old");
  write("high/lib/a", "new");
  write("high/lib/app", kElf, 0755);
  const auto entries = read_cpio(application({.roots = {path("low"), path("high")}, .command = {"/lib/app"}}));
  EXPECT_EQ(find(entries, "rootfs/lib")->content, "/usr/lib");
  EXPECT_EQ(find(entries, "rootfs/usr/lib/a")->content, "new");
  EXPECT_EQ(find(entries, "usr"), nullptr) << "an absolute link leads into the root, not beside it";
}

TEST_F(Ramdisks, WhatCouldNotStartIsRefused) {
  const std::string folder = root("r", false);
  using testing::HasSubstr;
  EXPECT_THAT(refusal({.roots = {folder}}), HasSubstr("names no program"));
  EXPECT_THAT(refusal({.roots = {folder}, .command = {"/bin/absent"}}), HasSubstr("has no /bin/absent"));
  EXPECT_THAT(refusal({.roots = {folder}, .command = {"/etc/conf"}}), HasSubstr("can't be executed"));
  EXPECT_THAT(refusal({.roots = {folder}, .command = {"/empty"}}), HasSubstr("can't be executed"));
  EXPECT_EQ(refusal({.roots = {folder}, .command = {"/link"}}), "");
  EXPECT_EQ(refusal({.roots = {folder}, .command = {"searched-in-path"}}), "");
  EXPECT_THAT(refusal({.roots = {folder}, .command = {"/bin/app", "a\nb"}}), HasSubstr("newline"));
  EXPECT_THAT(refusal({.roots = {folder}, .command = {"/bin/app"}, .environment = {"A"}}), HasSubstr("NAME=VALUE"));
  EXPECT_THAT(refusal({.roots = {path("absent")}, .command = {"/bin/app"}}), HasSubstr("can't open"));
  EXPECT_THAT(refusal({.roots = {write("text", "hello")}, .command = {"/bin/app"}}), HasSubstr("can't"));
}

TEST_F(Ramdisks, AnArchiveCantLeaveTheRoot) {
  const std::string folder = root("r", false);
  ASSERT_EQ(std::system(("tar -P --transform='s,^./etc/conf,../conf,' -cf " + path("out.tar") + " -C " + folder + " ./bin/app ./etc/conf").c_str()), 0);
  EXPECT_THAT(refusal({.roots = {path("out.tar")}, .command = {"/bin/app"}}), testing::HasSubstr("leaves the archive"));
}

TEST_F(Ramdisks, TheBaseHasInitModulesAndTheirOrder) {
  const std::string init = write("init", kElf);
  const std::string vsock = write("vsock.ko", std::string(kElf) + "v"), nsm = write("nsm.ko", std::string(kElf) + "n");
  ASSERT_EQ(std::system(("xz -k " + vsock).c_str()), 0);
  const auto entries = read_cpio(cofferdam::base_ramdisk({.init = init, .modules = {vsock + ".xz", nsm + " debug=1"}}));
  EXPECT_EQ(find(entries, "init")->mode, unsigned{S_IFREG} | 0755U);
  EXPECT_EQ(find(entries, "etc/cofferdam/modules")->content, "vsock\nnsm debug=1\n");
  EXPECT_EQ(find(entries, "lib/modules/vsock.ko")->content, std::string(kElf) + "v") << "unpacked";
  EXPECT_EQ(find(entries, "dev/console")->device_major, 5U);
  EXPECT_THROW((void)cofferdam::base_ramdisk({.init = init, .modules = {nsm, nsm}}), Unreadable);
  EXPECT_THROW((void)cofferdam::base_ramdisk({.init = write("text", "text")}), Unreadable);
  EXPECT_THROW((void)cofferdam::base_ramdisk({.init = init, .modules = {write("bad.ko", "text")}}), Unreadable);
  EXPECT_THROW((void)cofferdam::base_ramdisk({.init = init, .modules = {write("b d.ko", kElf)}}), Unreadable);
}

}  // namespace
