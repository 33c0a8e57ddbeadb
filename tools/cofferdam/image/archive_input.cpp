#include "tools/cofferdam/image/archive_input.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>

namespace cofferdam {
namespace {

constexpr std::size_t kMaxMemberBytes = std::size_t{8} << 30;
constexpr std::size_t kBlock = 1 << 16;

class Reader {
 public:
  explicit Reader(std::string name) : name_(std::move(name)), archive_(archive_read_new()) {
    if (archive_ == nullptr) throw Unreadable("no memory to read " + name_);
    archive_read_support_filter_all(archive_);
  }
  ~Reader() { archive_read_free(archive_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  [[nodiscard]] archive* get() const { return archive_; }
  void check(int code, const char* what) const {
    if (code < ARCHIVE_WARN) throw Unreadable(what + name_ + ": " + reason());
  }
  [[nodiscard]] std::string reason() const {
    const char* text = archive_error_string(archive_);
    return text == nullptr ? "damaged" : text;
  }
  // False at the end.
  bool next(archive_entry*& entry) const {
    const int code = archive_read_next_header(archive_, &entry);
    if (code == ARCHIVE_EOF) return false;
    check(code, "can't read ");
    return true;
  }
  [[nodiscard]] Bytes content(std::size_t limit) const {
    Bytes bytes;
    std::vector<std::uint8_t> chunk(kBlock);
    while (true) {
      const la_ssize_t count = archive_read_data(archive_, chunk.data(), chunk.size());
      if (count < 0) throw Unreadable("can't read " + name_ + ": " + reason());
      if (count == 0) return bytes;
      if (bytes.size() + static_cast<std::size_t>(count) > limit) {
        throw Unreadable(name_ + " holds more than " + std::to_string(limit) + " bytes, the most that is read here");
      }
      bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + count);
    }
  }

 private:
  std::string name_;
  archive* archive_;
};

// A name that this process's locale can't show is there in UTF-8.
std::string text_of(const char* plain, const char* utf8) {
  if (plain != nullptr) return plain;
  return utf8 == nullptr ? "" : utf8;
}

bool names_the_root(std::string_view path) { return path.find_first_not_of("./") == path.npos && path.find("..") == path.npos; }

void refuse_to_leave(const std::string& path, const std::string& file) {
  std::string_view left = path;
  while (!left.empty()) {
    const std::size_t end = std::min(left.find('/'), left.size());
    if (left.substr(0, end) == "..") throw Unreadable(file + " has the path '" + path + "', which leaves the archive");
    left.remove_prefix(std::min(end + 1, left.size()));
  }
}

}  // namespace

void read_tar(const std::string& file, ReadAttributes attributes, FileTree& tree, std::vector<std::string>& warnings) {
  const Reader reader(file);
  archive_read_support_format_tar(reader.get());
  reader.check(archive_read_open_filename(reader.get(), file.c_str(), kBlock), "can't open ");
  std::size_t with_attributes = 0, members = 0;
  archive_entry* entry = nullptr;
  while (reader.next(entry)) {
    ++members;
    const std::string path = text_of(archive_entry_pathname(entry), archive_entry_pathname_utf8(entry));
    refuse_to_leave(path, file);
    FileEntry made{.mode = static_cast<std::uint32_t>(archive_entry_perm(entry)) & 07777};
    if (attributes.keep) {
      made.owner = {static_cast<std::uint32_t>(archive_entry_uid(entry)), static_cast<std::uint32_t>(archive_entry_gid(entry))};
    }
    if (archive_entry_xattr_count(entry) > 0) ++with_attributes;
    const std::string twin = text_of(archive_entry_hardlink(entry), archive_entry_hardlink_utf8(entry));
    if (!twin.empty()) {
      refuse_to_leave(twin, file);
      tree.add_hard_link(path, twin);
      continue;
    }
    switch (archive_entry_filetype(entry)) {
      case AE_IFDIR: made.kind = FileKind::kFolder; break;
      case AE_IFREG:
        made.kind = FileKind::kFile;
        made.content = std::make_shared<const Bytes>(reader.content(kMaxMemberBytes));
        break;
      case AE_IFLNK: {
        const FileEntry link = link_entry(text_of(archive_entry_symlink(entry), archive_entry_symlink_utf8(entry)));
        made.kind = FileKind::kLink;
        made.mode = link.mode;
        made.content = link.content;
        break;
      }
      case AE_IFIFO: made.kind = FileKind::kPipe; break;
      case AE_IFCHR:
      case AE_IFBLK:
        made.kind = archive_entry_filetype(entry) == AE_IFCHR ? FileKind::kCharacterDevice : FileKind::kBlockDevice;
        made.device_major = static_cast<std::uint32_t>(archive_entry_rdevmajor(entry));
        made.device_minor = static_cast<std::uint32_t>(archive_entry_rdevminor(entry));
        break;
      default: throw Unreadable(file + ": '" + path + "' is of a kind that a ramdisk can't hold");
    }
    if (names_the_root(path)) continue;  // always there
    tree.add(path, std::move(made));
  }
  if (members == 0) throw Unreadable(file + " is an empty archive, or none");
  if (with_attributes > 0) {
    warnings.push_back(file + ": " + std::to_string(with_attributes) +
                       " files have extended attributes (capabilities, ACLs), which a ramdisk can't hold");
  }
}

bool is_packed(ByteView bytes) {
  static constexpr std::array<std::string_view, 7> kMagic{"\x1f\x8b", "\xfd"  "7zXZ", "\x5d\x00\x00", "BZh", "\x28\xb5\x2f\xfd",
                                                          "\x04\x22\x4d\x18", "\x02\x21\x4c\x18"};
  return std::ranges::any_of(kMagic, [&](std::string_view magic) { return as_text(bytes).starts_with(magic); });
}

Bytes unpacked(ByteView packed, std::size_t limit, const std::string& name) {
  const Reader reader(name);
  archive_read_support_format_raw(reader.get());
  reader.check(archive_read_open_memory(reader.get(), packed.data(), packed.size()), "can't unpack ");
  archive_entry* entry = nullptr;
  if (!reader.next(entry)) throw Unreadable(name + " is empty");
  if (archive_filter_count(reader.get()) < 2) throw Unreadable(name + " is not compressed in a way that is known here");
  return reader.content(limit);
}

}  // namespace cofferdam
