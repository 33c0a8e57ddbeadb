#include "tools/cofferdam/image/tar_member.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace cofferdam {
namespace {

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

std::uint32_t in_32_bits(std::uint64_t value, const char* what, const std::string& path, const std::string& file) {
  if (value > std::numeric_limits<std::uint32_t>::max()) {
    throw Unreadable(file + ": the " + what + " of '" + path + "' is " + std::to_string(value) +
                     ", and a ramdisk has 32 bits for it; pack it anew with a smaller one (tar --owner=0 --group=0)");
  }
  return static_cast<std::uint32_t>(value);
}

void lay_member(TarMember member, const std::string& file, ReadAttributes attributes, FileTree& tree) {
  refuse_to_leave(member.path, file);
  FileEntry made{.mode = member.mode & 07777};
  if (attributes.keep) made.owner = member.owner;
  switch (member.kind) {
    case MemberKind::kHardLink:
      refuse_to_leave(member.target, file);
      return tree.add_hard_link(member.path, member.target);
    case MemberKind::kFolder: made.kind = FileKind::kFolder; break;
    case MemberKind::kFile:
      made.kind = FileKind::kFile;
      made.content = std::make_shared<const Bytes>(std::move(member.content));
      break;
    case MemberKind::kLink: {
      const FileEntry link = link_entry(member.target);
      made.kind = FileKind::kLink;
      made.mode = link.mode;
      made.content = link.content;
      break;
    }
    case MemberKind::kPipe: made.kind = FileKind::kPipe; break;
    case MemberKind::kCharacterDevice:
    case MemberKind::kBlockDevice:
      made.kind = member.kind == MemberKind::kCharacterDevice ? FileKind::kCharacterDevice : FileKind::kBlockDevice;
      made.device_major = member.device_major;
      made.device_minor = member.device_minor;
      break;
  }
  if (!names_the_root(member.path)) tree.add(member.path, std::move(made));  // the root is always there
}

void close_archive(const std::string& file, std::size_t members, std::size_t with_attributes, std::vector<std::string>& warnings) {
  if (members == 0) throw Unreadable(file + " is an empty archive, or none");
  if (with_attributes > 0) {
    warnings.push_back(file + ": " + std::to_string(with_attributes) +
                       " files have extended attributes (capabilities, ACLs), which a ramdisk can't hold");
  }
}

bool is_packed(ByteView bytes) {
  static constexpr std::array<std::string_view, 7> kPackers{"\x1f\x8b", "\xfd"  "7zXZ", "\x5d\x00\x00", "BZh", "\x28\xb5\x2f\xfd",
                                                             "\x04\x22\x4d\x18", "\x02\x21\x4c\x18"};
  return std::ranges::any_of(kPackers, [&](std::string_view magic) { return as_text(bytes).starts_with(magic); });
}

}  // namespace cofferdam
