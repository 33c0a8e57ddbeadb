#include "tools/cofferdam/image/archive_input.hpp"

#include <archive.h>
#include <archive_entry.h>

#include "tools/cofferdam/image/tar_member.hpp"

namespace cofferdam {
namespace {

constexpr std::size_t kMaxMemberBytes = std::size_t{8} << 30;
constexpr std::size_t kReadAhead = 1 << 16;

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
    std::vector<std::uint8_t> chunk(kReadAhead);
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

MemberKind kind_of(archive_entry* entry, const std::string& path, const std::string& file) {
  switch (archive_entry_filetype(entry)) {
    case AE_IFDIR: return MemberKind::kFolder;
    case AE_IFREG: return MemberKind::kFile;
    case AE_IFLNK: return MemberKind::kLink;
    case AE_IFIFO: return MemberKind::kPipe;
    case AE_IFCHR: return MemberKind::kCharacterDevice;
    case AE_IFBLK: return MemberKind::kBlockDevice;
    default: throw Unreadable(file + ": '" + path + "' is of a kind that a ramdisk can't hold");
  }
}

}  // namespace

void read_tar(const std::string& file, ReadAttributes attributes, FileTree& tree, std::vector<std::string>& warnings) {
  const Reader reader(file);
  archive_read_support_format_tar(reader.get());
  reader.check(archive_read_open_filename(reader.get(), file.c_str(), kReadAhead), "can't open ");
  std::size_t with_attributes = 0, members = 0;
  archive_entry* entry = nullptr;
  while (reader.next(entry)) {
    ++members;
    TarMember member{.path = text_of(archive_entry_pathname(entry), archive_entry_pathname_utf8(entry)),
                     .target = text_of(archive_entry_hardlink(entry), archive_entry_hardlink_utf8(entry)),
                     .mode = static_cast<std::uint32_t>(archive_entry_perm(entry))};
    // A negative number is far beyond, too.
    member.owner = {.user = in_32_bits(static_cast<std::uint64_t>(archive_entry_uid(entry)), "owner", member.path, file),
                    .group = in_32_bits(static_cast<std::uint64_t>(archive_entry_gid(entry)), "group", member.path, file)};
    if (archive_entry_xattr_count(entry) > 0) ++with_attributes;
    if (!member.target.empty()) {
      member.kind = MemberKind::kHardLink;
    } else {
      member.kind = kind_of(entry, member.path, file);
      if (member.kind == MemberKind::kLink) member.target = text_of(archive_entry_symlink(entry), archive_entry_symlink_utf8(entry));
      if (member.kind == MemberKind::kCharacterDevice || member.kind == MemberKind::kBlockDevice) {
        member.device_major = in_32_bits(archive_entry_rdevmajor(entry), "device", member.path, file);
        member.device_minor = in_32_bits(archive_entry_rdevminor(entry), "device", member.path, file);
      }
      if (member.kind == MemberKind::kFile) member.content = reader.content(kMaxMemberBytes);
    }
    lay_member(std::move(member), file, attributes, tree);
  }
  close_archive(file, members, with_attributes, warnings);
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
