// What comes packed: tar archives and compressed files. The only user of libarchive.
#pragma once

#include "tools/cofferdam/image/file_tree.hpp"

namespace cofferdam {

struct ReadAttributes {
  bool keep{};  // owners, and the modes of a folder's files, as they stand. Else everything is root's.
};

// A tar archive (ustar, pax, GNU, also compressed) laid into the tree. Modes are the archive's. Throws Unreadable: no tar archive, a
// damaged one, a path that leaves it. `warnings` gets what a ramdisk can't hold.
void read_tar(const std::string& file, ReadAttributes attributes, FileTree& tree, std::vector<std::string>& warnings);

// The content of gzip, xz, lzma, bzip2, zstd or lz4 data. Throws Unreadable: none of them, damaged, longer than `limit`.
[[nodiscard]] Bytes unpacked(ByteView packed, std::size_t limit, const std::string& name);
[[nodiscard]] bool is_packed(ByteView bytes);

}  // namespace cofferdam
