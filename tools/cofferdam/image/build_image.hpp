// An enclave image out of kernel, command line and ramdisks or root file systems: `cofferdam eif build` on the development machine
// and `cofferdam-cli build-enclave` in the parent make the same bytes of the same recipe.
#pragma once

#include "tools/cofferdam/eif_image.hpp"
#include "tools/cofferdam/image/ramdisks.hpp"

namespace cofferdam {

struct ImageRecipe {
  std::string kernel, arch{"aarch64"};  // aarch64 or x86_64
  bool flat_kernel{};                   // no Linux: its bytes as they are
  std::string cmdline, cmdline_file, console{"ttyS0"}, append;  // without the first two: nitro-cli's for aarch64, on that console
  bool debug_friendly{};
  // In this order, each where there is something of it. An application needs what starts it before.
  BaseRamdisk base;
  std::vector<std::string> ramdisks;
  ApplicationRamdisk application;
  std::string metadata;                         // file with a JSON object, or none
  std::string name, version{"1.0"}, build_time;  // "": the kernel's file name; SOURCE_DATE_EPOCH or 1970
  std::string build_tool{"cofferdam"}, build_tool_version{"1.0"}, operating_system{"Linux"}, kernel_version;
  std::string sign_key, sign_cert;  // files, both or none
};

// Throws Unreadable and BadImage, and CryptoError for keys.
[[nodiscard]] Bytes build_image(const ImageRecipe& recipe, std::vector<std::string>& warnings);

}  // namespace cofferdam
