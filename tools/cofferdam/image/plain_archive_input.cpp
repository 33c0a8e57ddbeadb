// archive_input.hpp where there is no libarchive: what is not compressed.
#include "tools/cofferdam/image/plain_tar.hpp"

namespace cofferdam {

namespace {
constexpr std::size_t kMaxArchive = std::size_t{8} << 30;
}

void read_tar(const std::string& file, ReadAttributes attributes, FileTree& tree, std::vector<std::string>& warnings) {
  read_plain_tar(read_file(file, kMaxArchive), file, attributes, tree, warnings);
}

Bytes unpacked(ByteView, std::size_t, const std::string& name) {
  throw Unreadable(name + " is compressed; unpack it first (gunzip, xz -d, zstd -d)");
}

}  // namespace cofferdam
