// A Linux kernel file as the bytes that a monitor starts, and so measures.
#pragma once

#include "firmware/enclave/eif.hpp"
#include "tools/cofferdam/bytes.hpp"

namespace cofferdam {

inline constexpr std::size_t kMaxKernel = std::size_t{512} << 20;

// aarch64: the raw Image, out of the Image itself, a compressed one (gzip, xz, zstd ...) or an EFI zboot program (Linux,
// Documentation/arch/arm64/booting.rst, drivers/firmware/efi/libstub/zboot-header.S). x86_64: the bzImage as it is (Documentation/
// arch/x86/boot.rst). Throws Unreadable, naming what the file is instead.
[[nodiscard]] Bytes bootable_kernel(Bytes file, enclave::EifArchitecture architecture, const std::string& name);

}  // namespace cofferdam
