// Tar archives that are not compressed, read without a library: for programs that have none (the parent's cofferdam-cli).
#pragma once

#include "tools/cofferdam/image/archive_input.hpp"

namespace cofferdam {

// As read_tar, from bytes: ustar (POSIX 1003.1), its pax headers, GNU's long names. The bytes are hostile. Throws Unreadable: no tar archive, a
// damaged one, a sparse file, a compressed archive (the text says what unpacks it).
void read_plain_tar(ByteView archive, const std::string& name, ReadAttributes attributes, FileTree& tree,
                    std::vector<std::string>& warnings);

}  // namespace cofferdam
