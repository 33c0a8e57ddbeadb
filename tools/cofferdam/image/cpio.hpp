// A tree of files as a cpio archive of the format "newc", which Linux unpacks into its first root file system (Linux,
// Documentation/driver-api/early-userspace/buffer-format.rst).
#pragma once

#include "tools/cofferdam/image/file_tree.hpp"

namespace cofferdam {

// Sorted by path, every time 0, inode numbers counted up in that order; hard links share one, and the last of them has the
// content. The size is a multiple of 512, so that archives can follow one another. Throws Unreadable: a file of 4 GiB or more.
[[nodiscard]] Bytes write_cpio(const FileTree& tree);

}  // namespace cofferdam
