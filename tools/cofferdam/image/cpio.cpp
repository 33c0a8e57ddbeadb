#include "tools/cofferdam/image/cpio.hpp"

#include <sys/stat.h>

#include <array>
#include <cstdio>
#include <limits>
#include <unordered_map>

namespace cofferdam {
namespace {

constexpr std::string_view kTrailer = "TRAILER!!!";
constexpr std::size_t kCpioBlock = 512;

std::uint32_t type_bits(FileKind kind) {
  switch (kind) {
    case FileKind::kFolder: return S_IFDIR;
    case FileKind::kFile: return S_IFREG;
    case FileKind::kLink: return S_IFLNK;
    case FileKind::kCharacterDevice: return S_IFCHR;
    case FileKind::kBlockDevice: return S_IFBLK;
    case FileKind::kPipe: return S_IFIFO;
    case FileKind::kSocket: return S_IFSOCK;
  }
  return 0;
}

void pad(Bytes& out, std::size_t to) { out.resize((out.size() + to - 1) / to * to); }

struct Header {
  std::uint32_t inode{}, mode{}, user{}, group{}, links{1}, size{}, device_major{}, device_minor{};
};

void put(Bytes& out, const Header& header, std::string_view name, ByteView content) {
  const std::array<std::uint32_t, 13> fields{header.inode, header.mode, header.user, header.group, header.links,
                                             0 /* time */, header.size, 0, 0, header.device_major, header.device_minor,
                                             static_cast<std::uint32_t>(name.size() + 1), 0 /* checksum, not of this format */};
  constexpr std::string_view kMagic = "070701";
  out.insert(out.end(), kMagic.begin(), kMagic.end());
  for (const std::uint32_t field : fields) {
    std::array<char, 9> digits{};
    std::snprintf(digits.data(), digits.size(), "%08X", field);
    out.insert(out.end(), digits.begin(), digits.begin() + 8);
  }
  out.insert(out.end(), name.begin(), name.end());
  out.push_back(0);
  pad(out, 4);
  out.insert(out.end(), content.begin(), content.end());
  pad(out, 4);
}

struct Names {  // of one file
  std::uint32_t count{}, written{}, inode{};
};

}  // namespace

Bytes write_cpio(const FileTree& tree) {
  std::unordered_map<const Bytes*, Names> files;
  for (const auto& [path, entry] : tree.entries()) {
    if (entry.kind == FileKind::kFile) ++files[entry.content.get()].count;
  }
  Bytes out;
  std::uint32_t next = 0;
  for (const auto& [path, entry] : tree.entries()) {
    Header header{.mode = type_bits(entry.kind) | (entry.mode & 07777), .user = entry.owner.user, .group = entry.owner.group,
                  .device_major = entry.device_major, .device_minor = entry.device_minor};
    ByteView content;
    if (entry.content != nullptr) content = *entry.content;
    if (entry.kind == FileKind::kFile) {
      Names& names = files.at(entry.content.get());
      if (names.written == 0) names.inode = ++next;
      ++names.written;
      header.inode = names.inode;
      header.links = names.count;
      if (names.written != names.count) content = {};
    } else {
      header.inode = ++next;
      if (entry.kind == FileKind::kFolder) header.links = 2;
    }
    if (content.size() > std::numeric_limits<std::uint32_t>::max()) {
      throw Unreadable("/" + path + " is " + std::to_string(content.size()) + " bytes long; a ramdisk holds files below 4 GiB");
    }
    header.size = static_cast<std::uint32_t>(content.size());
    put(out, header, path, content);
  }
  put(out, {.links = 1}, kTrailer, {});
  pad(out, kCpioBlock);
  return out;
}

}  // namespace cofferdam
