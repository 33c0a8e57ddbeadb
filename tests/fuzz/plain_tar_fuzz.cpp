// Tar archives as the parent's cofferdam-cli reads them: what is taken has a ramdisk, and no path leaves it. Checksums are set
// right before, or nothing behind the first header would ever be read.
#include <string>
#include <vector>

#include "tests/fuzz/demand.hpp"
#include "tools/cofferdam/image/cpio.hpp"
#include "tools/cofferdam/image/plain_tar.hpp"

namespace {

constexpr std::size_t kBlock = 512, kChecksum = 148;

void seal(std::uint8_t* header) {
  unsigned sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) sum += i >= kChecksum && i < kChecksum + 8 ? ' ' : header[i];
  for (std::size_t i = 0; i < 6; ++i) header[kChecksum + i] = static_cast<std::uint8_t>('0' + (sum >> (15 - 3 * i) & 7));
  header[kChecksum + 6] = 0;
  header[kChecksum + 7] = ' ';
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  cofferdam::Bytes archive(data + 1, data + size);
  // The first byte says which of the first eight blocks are headers.
  for (std::size_t block = 0; block < 8 && (block + 1) * kBlock <= archive.size(); ++block) {
    if ((data[0] >> block & 1) != 0) seal(archive.data() + block * kBlock);
  }
  cofferdam::FileTree tree;
  std::vector<std::string> warnings;
  try {
    cofferdam::read_plain_tar(archive, "archive", {.keep = true}, tree, warnings);
  } catch (const cofferdam::Unreadable&) {
    return 0;
  }
  for (const auto& [path, entry] : tree.entries()) {
    DEMAND(!path.empty() && !path.starts_with('/') && ("/" + path + "/").find("/../") == path.npos);
    DEMAND(entry.kind != cofferdam::FileKind::kFile || entry.content->size() <= archive.size());
  }
  DEMAND(!cofferdam::write_cpio(tree).empty());
  return 0;
}
