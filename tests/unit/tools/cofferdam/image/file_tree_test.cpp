// Where files come to lie in a ramdisk, and what may not lie anywhere; and that the archive says what the tree holds.
#include "tools/cofferdam/image/file_tree.hpp"

#include <sys/stat.h>

#include "tests/unit/tools/cofferdam/image/scratch_folder.hpp"
#include "tools/cofferdam/image/cpio.hpp"

namespace {

using cofferdam::Bytes;
using cofferdam::file_entry;
using cofferdam::FileKind;
using cofferdam::FileTree;
using cofferdam::folder_entry;
using cofferdam::link_entry;
using cofferdam::Unreadable;

std::vector<std::string> paths_of(const FileTree& tree) {
  std::vector<std::string> paths;
  for (const auto& [path, entry] : tree.entries()) paths.push_back(path);
  return paths;
}

TEST(FileTree, FoldersAboveAreMade) {
  FileTree tree;
  tree.add("./a//b/./c", file_entry({'x'}));
  tree.add("/a/d/", folder_entry(0700));
  EXPECT_EQ(paths_of(tree), (std::vector<std::string>{"a", "a/b", "a/b/c", "a/d"}));
  EXPECT_EQ(tree.entries().at("a/b").mode, 0755U);
  EXPECT_EQ(tree.entries().at("a/d").mode, 0700U);
}

TEST(FileTree, LaterFilesReplaceEarlierOnesAndFoldersStay) {
  FileTree tree;
  tree.add("etc/app", file_entry({'1'}));
  tree.add("etc", folder_entry(0700));
  tree.add("etc/app", file_entry({'2'}, 0600));
  EXPECT_EQ(*tree.find("etc/app")->content, Bytes{'2'});
  EXPECT_EQ(tree.find("etc")->mode, 0700U);
  EXPECT_THROW(tree.add("etc", file_entry({})), Unreadable);
  EXPECT_THROW(tree.add("etc/app", folder_entry()), Unreadable);
  EXPECT_THROW(tree.add("etc/app/below", file_entry({})), Unreadable);
}

// As unpacking would do it, and inside the tree whatever the link says.
TEST(FileTree, PathsThroughLinksLeadWhereTheLinkLeads) {
  FileTree tree;
  tree.add("usr/lib", folder_entry());
  tree.add("lib", link_entry("usr/lib"));
  tree.add("bin", link_entry("/usr/bin"));
  tree.add("lib/one.so", file_entry({'1'}));
  tree.add("bin/tool", file_entry({'2'}));
  tree.add("lib", folder_entry(0711));
  EXPECT_EQ(paths_of(tree), (std::vector<std::string>{"bin", "lib", "usr", "usr/bin", "usr/bin/tool", "usr/lib", "usr/lib/one.so"}));
  EXPECT_EQ(tree.entries().at("lib").kind, FileKind::kLink);
  EXPECT_EQ(tree.entries().at("usr/lib").mode, 0711U);
  tree.add("usr/bin/alias", link_entry("../../bin/tool"));
  EXPECT_EQ(*tree.find("/bin/alias")->content, Bytes{'2'});
  tree.add("opt/app/lib", link_entry("/usr/lib"));
  tree.add("opt/app/lib/two.so", file_entry({'3'}));
  EXPECT_NE(tree.find("usr/lib/two.so"), nullptr);
  EXPECT_EQ(tree.find("bin/absent"), nullptr);
  EXPECT_EQ(tree.find("absent/tool"), nullptr);
}

TEST(FileTree, NothingLeavesTheRoot) {
  FileTree tree;
  tree.add("up", link_entry("../.."));
  tree.add("loop", link_entry("loop"));
  tree.add("folder", folder_entry());
  const std::string nul("a\0b", 3);
  for (const std::string& path : {std::string(), std::string("/"), std::string("."), std::string(".."), std::string("a/../../b"),
                                  std::string("up/passwd"), std::string("loop/x"), nul, std::string(256, 'n'), std::string(5000, '/') + "x"}) {
    EXPECT_THROW(tree.add(path, file_entry({})), Unreadable) << path.substr(0, 40);
  }
  EXPECT_EQ(tree.find("up/passwd"), nullptr);
  EXPECT_EQ(tree.find("loop"), nullptr);
}

TEST(Cpio, HoldsWhatTheTreeHolds) {
  FileTree tree;
  tree.add("z/file", file_entry({'1', '2', '3', '4', '5'}, 04711));
  tree.add("a", link_entry("z/file"));
  cofferdam::FileEntry device{.kind = FileKind::kCharacterDevice, .mode = 0600, .owner = {1, 2}};
  device.device_major = 5, device.device_minor = 1;
  tree.add("dev/console", device);
  tree.add("pipe", {.kind = FileKind::kPipe, .mode = 0640});
  const auto entries = image_test::read_cpio(cofferdam::write_cpio(tree));
  std::vector<std::string> paths;
  std::uint32_t inode = 0;
  for (const auto& entry : entries) {
    paths.push_back(entry.path);
    EXPECT_EQ(entry.inode, ++inode);
    EXPECT_EQ(entry.time, 0U);
  }
  EXPECT_EQ(paths, (std::vector<std::string>{"a", "dev", "dev/console", "pipe", "z", "z/file"}));
  EXPECT_EQ(entries[0].mode, unsigned{S_IFLNK} | 0777U);
  EXPECT_EQ(entries[0].content, "z/file");
  EXPECT_EQ(entries[2].mode, unsigned{S_IFCHR} | 0600U);
  EXPECT_EQ(entries[2].device_major, 5U);
  EXPECT_EQ(entries[2].device_minor, 1U);
  EXPECT_EQ(entries[2].user, 1U);
  EXPECT_EQ(entries[2].group, 2U);
  EXPECT_EQ(entries[3].mode, unsigned{S_IFIFO} | 0640U);
  EXPECT_EQ(entries[5].mode, unsigned{S_IFREG} | 04711U);
  EXPECT_EQ(entries[5].content, "12345");
}

TEST(Cpio, HardLinksShareAnInodeAndTheLastHasTheContent) {
  FileTree tree;
  tree.add("m/first", file_entry({'x'}, 0755));
  tree.add_hard_link("z", "m/first");
  tree.add_hard_link("a", "/m/first");
  tree.add("other", file_entry({'x'}, 0755));
  EXPECT_THROW(tree.add_hard_link("b", "absent"), Unreadable);
  EXPECT_THROW(tree.add_hard_link("b", "m"), Unreadable);
  const auto entries = image_test::read_cpio(cofferdam::write_cpio(tree));
  ASSERT_EQ(entries.size(), 5U);
  const auto *a = image_test::find(entries, "a"), *first = image_test::find(entries, "m/first"), *z = image_test::find(entries, "z");
  EXPECT_EQ(a->inode, first->inode);
  EXPECT_EQ(a->inode, z->inode);
  EXPECT_EQ(a->links, 3U);
  EXPECT_EQ(a->content + first->content, "");
  EXPECT_EQ(z->content, "x");
  EXPECT_EQ(image_test::find(entries, "other")->links, 1U) << "the same content is not the same file";
  EXPECT_NE(image_test::find(entries, "other")->inode, a->inode);
}

}  // namespace
