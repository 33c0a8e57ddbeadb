// A folder of this machine as files of a ramdisk.
#pragma once

#include "tools/cofferdam/image/archive_input.hpp"

namespace cofferdam {

// What lies in `folder`, laid into the tree. Links are kept as links, hard links as hard links. Unless attributes
// are kept, everything is root's and modes are 0755 for folders and what its owner may execute, 0644 for the rest: what this
// user's umask left does not matter. Throws Unreadable.
void read_folder(const std::string& folder, ReadAttributes attributes, FileTree& tree);

}  // namespace cofferdam
