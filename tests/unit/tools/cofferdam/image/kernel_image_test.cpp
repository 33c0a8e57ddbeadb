// Which files are kernels, and that what is packed in them is what is measured.
#include "tools/cofferdam/image/kernel_image.hpp"

#include <gmock/gmock.h>

#include <cstdlib>

#include "tests/unit/tools/cofferdam/image/scratch_folder.hpp"
#include "tools/cofferdam/image/archive_input.hpp"

namespace {

using cofferdam::bootable_kernel;
using cofferdam::Bytes;
using cofferdam::Unreadable;
using enclave::EifArchitecture;

class KernelImage : public image_test::ScratchFolder {
 protected:
  static Bytes raw() {
    Bytes image(5000, 0x5A);
    image[0] = 'M', image[1] = 'Z';
    for (std::size_t at = 2; at < 56; ++at) image[at] = 0;
    image[56] = 'A', image[57] = 'R', image[58] = 'M', image[59] = 0x64;
    return image;
  }
  // As a tool of the distribution packs it.
  Bytes packed(const std::string& tool) const {
    cofferdam::write_file(path("image"), raw());
    EXPECT_EQ(std::system((tool + " -c " + path("image") + " >" + path("packed")).c_str()), 0);
    return cofferdam::read_file(path("packed"), 1 << 20);
  }
  static Bytes zboot(const Bytes& payload, const std::string& compression, std::size_t behind = 0) {
    Bytes file(64, 0);
    const std::string head = "MZ";
    std::copy(head.begin(), head.end(), file.begin());
    const std::string mark = "zimg";
    std::copy(mark.begin(), mark.end(), file.begin() + 4);
    const std::size_t size = payload.size() + behind;
    for (std::size_t at = 0; at < 4; ++at) {
      file[8 + at] = static_cast<std::uint8_t>(file.size() >> (8 * at));
      file[12 + at] = static_cast<std::uint8_t>(size >> (8 * at));
    }
    std::copy(compression.begin(), compression.end(), file.begin() + 24);
    file.insert(file.end(), payload.begin(), payload.end());
    file.resize(file.size() + behind, 0x11);
    return file;
  }
  static std::string refusal(Bytes file, EifArchitecture architecture = EifArchitecture::kAarch64) {
    try {
      (void)bootable_kernel(std::move(file), architecture, "k");
    } catch (const Unreadable& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(KernelImage, TheRawImageComesOutOfEveryPacking) {
  EXPECT_EQ(bootable_kernel(raw(), EifArchitecture::kAarch64, "k"), raw());
  EXPECT_EQ(bootable_kernel(packed("gzip"), EifArchitecture::kAarch64, "k"), raw());
  EXPECT_EQ(bootable_kernel(packed("xz"), EifArchitecture::kAarch64, "k"), raw());
  EXPECT_EQ(bootable_kernel(zboot(packed("gzip"), "gzip"), EifArchitecture::kAarch64, "k"), raw());
  EXPECT_EQ(bootable_kernel(zboot(packed("xz"), "xzkern", 4), EifArchitecture::kAarch64, "k"), raw());
}

TEST_F(KernelImage, WhatIsNoKernelIsNamed) {
  using testing::HasSubstr;
  EXPECT_THAT(refusal({}), HasSubstr("is empty"));
  EXPECT_THAT(refusal(Bytes(5000, 'K')), HasSubstr("has no kernel's header"));
  EXPECT_THAT(refusal({0x7f, 'E', 'L', 'F', 2}), HasSubstr("ELF"));
  EXPECT_THAT(refusal({'0', '7', '0', '7', '0', '1'}), HasSubstr("ramdisk"));
  Bytes x86(0x300, 0);
  x86[0x202] = 'H', x86[0x203] = 'd', x86[0x204] = 'r', x86[0x205] = 'S';
  EXPECT_THAT(refusal(x86), HasSubstr("x86 kernel"));
  EXPECT_EQ(refusal(x86, EifArchitecture::kX86), "");
  EXPECT_THAT(refusal(raw(), EifArchitecture::kX86), HasSubstr("arm64 kernel"));
}

TEST_F(KernelImage, DamagedOnesAreRefused) {
  Bytes cut = packed("gzip");
  cut.resize(cut.size() / 2);
  EXPECT_THROW((void)bootable_kernel(cut, EifArchitecture::kAarch64, "k"), Unreadable);
  EXPECT_THROW((void)bootable_kernel(zboot(cut, "gzip"), EifArchitecture::kAarch64, "k"), Unreadable);
  Bytes outside = zboot(packed("gzip"), "gzip");
  outside.resize(outside.size() - 1);
  EXPECT_THAT(refusal(outside), testing::HasSubstr("lies outside"));
  outside[8] = outside[9] = outside[10] = outside[11] = 0xff;
  EXPECT_THAT(refusal(outside), testing::HasSubstr("lies outside"));
  EXPECT_THROW((void)cofferdam::unpacked(packed("gzip"), 4999, "k"), Unreadable) << "more than the limit";
}

}  // namespace
