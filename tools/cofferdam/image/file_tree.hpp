// The files of a ramdisk before it is written: paths, modes, owners, contents. Pure. What lies in a tree depends on what was
// laid into it, never on clocks, inode numbers or the order of a folder.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "tools/cofferdam/bytes.hpp"

namespace cofferdam {

inline constexpr std::size_t kMaxFiles = 1'000'000;
inline constexpr std::size_t kMaxPath = 4095;     // PATH_MAX of Linux without its NUL
inline constexpr std::size_t kMaxPathPart = 255;  // NAME_MAX of Linux

enum class FileKind : std::uint8_t { kFolder, kFile, kLink, kCharacterDevice, kBlockDevice, kPipe, kSocket };

struct Owner {
  std::uint32_t user{};
  std::uint32_t group{};
};

struct FileEntry {
  FileKind kind{};
  std::uint32_t mode{};  // permissions alone, 07777
  Owner owner;
  std::shared_ptr<const Bytes> content;  // of a file, or the target of a link. Hard links share it: that is what makes them
  std::uint32_t device_major{}, device_minor{};
};

// Paths are relative to the tree's root; "/", "./" in front and "/" behind are left out. Each function throws Unreadable for a
// path that leaves the root, has a NUL byte, or is longer than Linux takes, and when a folder and something else would have
// one path. A path through a link is laid where the link leads, as unpacking would do it.
class FileTree {
 public:
  // Folders above that are not there yet get 0755 and root. What was there before under the path is replaced; a folder that
  // was there keeps what it holds and takes the new mode and owner.
  void add(std::string_view path, FileEntry entry);
  // A second name of the file `target`, which is there.
  void add_hard_link(std::string_view path, std::string_view target);

  [[nodiscard]] const std::map<std::string, FileEntry>& entries() const { return entries_; }
  // What a program would find under the path: links are followed. Null: nothing.
  [[nodiscard]] const FileEntry* find(std::string_view path) const;

 private:
  enum class Last : std::uint8_t { kItself, kFollowed };  // is a link at the end of a path the link, or what it leads to
  using Missing = std::function<void(const std::string& folder)>;
  [[nodiscard]] std::string place(std::string_view path, Last last, const Missing& missing) const;

  std::map<std::string, FileEntry> entries_;
};

[[nodiscard]] FileEntry folder_entry(std::uint32_t mode = 0755);
[[nodiscard]] FileEntry file_entry(Bytes content, std::uint32_t mode = 0644);
[[nodiscard]] FileEntry link_entry(std::string_view target);

}  // namespace cofferdam
