// One member of a tar archive as a file of a ramdisk: what every reader of archives here does with it.
#pragma once

#include "tools/cofferdam/image/archive_input.hpp"

namespace cofferdam {

enum class MemberKind : std::uint8_t { kFile, kHardLink, kLink, kCharacterDevice, kBlockDevice, kFolder, kPipe };

struct TarMember {
  MemberKind kind{};
  std::string path;
  std::string target;  // of links of both kinds
  std::uint32_t mode{};
  Owner owner;
  std::uint32_t device_major{}, device_minor{};
  Bytes content;  // of a file
};

// A number of the member at `path` that a ramdisk has 32 bits for; `what` it is, such as "owner". Throws Unreadable: it has more.
[[nodiscard]] std::uint32_t in_32_bits(std::uint64_t value, const char* what, const std::string& path, const std::string& file);

// `file`: the archive's name, for what is said. Throws Unreadable: a path that leaves the archive.
void lay_member(TarMember member, const std::string& file, ReadAttributes attributes, FileTree& tree);

// What read_tar says at an archive's end. Throws Unreadable when it had no member.
void close_archive(const std::string& file, std::size_t members, std::size_t with_attributes, std::vector<std::string>& warnings);

}  // namespace cofferdam
