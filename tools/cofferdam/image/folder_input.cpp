#include "tools/cofferdam/image/folder_input.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace cofferdam {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{8} << 30;
constexpr int kMaxDepth = 256;

struct Walk {
  ReadAttributes attributes;
  FileTree& tree;
  std::map<std::pair<dev_t, ino_t>, std::string> first_names;  // of files with more than one name

  FileEntry entry_of(const std::string& path, const struct stat& status) const {
    FileEntry entry{.mode = status.st_mode & 07777};
    if (attributes.keep) entry.owner = {status.st_uid, status.st_gid};
    if (!attributes.keep) entry.mode = S_ISDIR(status.st_mode) || (status.st_mode & S_IXUSR) != 0 ? 0755 : 0644;
    if (S_ISDIR(status.st_mode)) {
      entry.kind = FileKind::kFolder;
    } else if (S_ISREG(status.st_mode)) {
      entry.kind = FileKind::kFile;
      entry.content = std::make_shared<const Bytes>(read_file(path, kMaxFileBytes));
    } else if (S_ISLNK(status.st_mode)) {
      std::error_code error;
      const std::filesystem::path target = std::filesystem::read_symlink(path, error);
      if (error) throw Unreadable("can't read the link " + path + ": " + error.message());
      entry = link_entry(target.native());
      if (attributes.keep) entry.owner = {status.st_uid, status.st_gid};
    } else if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
      entry.kind = S_ISCHR(status.st_mode) ? FileKind::kCharacterDevice : FileKind::kBlockDevice;
      entry.device_major = major(status.st_rdev);
      entry.device_minor = minor(status.st_rdev);
    } else if (S_ISFIFO(status.st_mode)) {
      entry.kind = FileKind::kPipe;
    } else {
      throw Unreadable(path + " is a socket; it means nothing in an image");
    }
    return entry;
  }

  void folder(const std::string& from, const std::string& to, int depth) {
    if (depth > kMaxDepth) throw Unreadable(from + " lies deeper than " + std::to_string(kMaxDepth) + " folders");
    std::error_code error;
    std::vector<std::string> names;
    for (std::filesystem::directory_iterator at(from, error), end; !error && at != end; at.increment(error)) {
      names.push_back(at->path().filename().native());
    }
    if (error) throw Unreadable("can't read the folder " + from + ": " + error.message());
    std::ranges::sort(names);
    for (const std::string& name : names) one(from + "/" + name, to + "/" + name, depth);
  }

  void one(const std::string& from, const std::string& to, int depth) {
    struct stat status {};
    if (::lstat(from.c_str(), &status) != 0) throw Unreadable("can't read " + from + ": " + std::strerror(errno));
    if (S_ISREG(status.st_mode) && status.st_nlink > 1) {
      const auto [first, is_new] = first_names.try_emplace({status.st_dev, status.st_ino}, to);
      if (!is_new) {
        tree.add_hard_link(to, first->second);
        return;
      }
    }
    tree.add(to, entry_of(from, status));
    if (S_ISDIR(status.st_mode)) folder(from, to, depth + 1);
  }
};

}  // namespace

void read_folder(const std::string& folder, ReadAttributes attributes, FileTree& tree) {
  Walk walk{attributes, tree, {}};
  walk.folder(folder, "", 0);
}

}  // namespace cofferdam
