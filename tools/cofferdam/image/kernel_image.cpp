#include "tools/cofferdam/image/kernel_image.hpp"

#include "tools/cofferdam/image/archive_input.hpp"

namespace cofferdam {
namespace {

constexpr std::size_t kArm64HeaderSize = 64;
constexpr std::size_t kArm64MagicAt = 56;
constexpr std::string_view kArm64Magic = "ARM\x64";
constexpr std::size_t kX86MagicAt = 0x202;
constexpr std::string_view kX86Magic = "HdrS";
constexpr std::size_t kZbootHeader = 56;
constexpr std::size_t kZbootLengthAtEnd = 4;  // what some compressions have behind them there

bool has(ByteView file, std::size_t at, std::string_view text) {
  return file.size() >= at + text.size() && as_text(file.subspan(at, text.size())) == text;
}

std::uint32_t little32(ByteView file, std::size_t at) {
  return file[at] | std::uint32_t{file[at + 1]} << 8 | std::uint32_t{file[at + 2]} << 16 | std::uint32_t{file[at + 3]} << 24;
}

bool is_arm64(ByteView file) { return file.size() >= kArm64HeaderSize && has(file, kArm64MagicAt, kArm64Magic); }
bool is_x86(ByteView file) { return has(file, kX86MagicAt, kX86Magic); }
bool is_zboot(ByteView file) { return file.size() >= kZbootHeader && has(file, 0, "MZ") && has(file, 4, "zimg"); }

// "MZ", 2 bytes, "zimg", u32 offset and u32 size of the payload, 8 bytes, the compression's name.
Bytes payload_of_zboot(ByteView file, const std::string& name) {
  const std::size_t offset = little32(file, 8), size = little32(file, 12);
  if (size == 0 || offset > file.size() || size > file.size() - offset) {
    throw Unreadable(name + " is a damaged kernel: its compressed part lies outside of the file");
  }
  const ByteView payload = file.subspan(offset, size);
  try {
    return unpacked(payload, kMaxKernel, name);
  } catch (const Unreadable&) {
    if (size <= kZbootLengthAtEnd) throw;
    return unpacked(payload.first(size - kZbootLengthAtEnd), kMaxKernel, name);
  }
}

std::string kind_of(ByteView file) {
  if (file.empty()) return "is empty";
  if (has(file, 0, "\x7f" "ELF")) return "is an ELF file (a vmlinux, or a program)";
  if (has(file, 0, "070701")) return "is a cpio archive, a ramdisk";
  if (has(file, 0, ".eif")) return "is an enclave image; cofferdam eif extract gives its kernel";
  if (has(file, 0, "!<arch>")) return "is a package; dpkg-deb -x gives its files";
  if (is_x86(file)) return "is an x86 kernel; say --arch x86_64, or take an arm64 one";
  if (is_arm64(file)) return "is an arm64 kernel; say --arch aarch64, or take an x86 one";
  return "has no kernel's header";
}

}  // namespace

Bytes bootable_kernel(Bytes file, enclave::EifArchitecture architecture, const std::string& name) {
  if (architecture == enclave::EifArchitecture::kX86) {
    if (is_x86(file)) return file;
    throw Unreadable(name + " is no bzImage of Linux: it " + kind_of(file) + ". Anything else goes in with --flat-kernel");
  }
  if (is_packed(file)) file = unpacked(file, kMaxKernel, name);
  if (is_zboot(file)) file = payload_of_zboot(file, name);
  if (!is_arm64(file)) {
    throw Unreadable(name + " is no arm64 Image of Linux: it " + kind_of(file) +
                     ". Take arch/arm64/boot/Image of a build, or a distribution's vmlinuz; anything else goes in with --flat-kernel");
  }
  return file;
}

}  // namespace cofferdam
