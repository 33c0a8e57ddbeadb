#include "tools/cofferdam/image/build_image.hpp"

#include <cstdlib>
#include <filesystem>

#include "tools/cofferdam/chain.hpp"
#include "tools/cofferdam/eif_describe.hpp"
#include "tools/cofferdam/image/kernel_image.hpp"

namespace cofferdam {
namespace {

using enclave::EifArchitecture;
using enclave::EifSectionKind;

constexpr std::size_t kMaxTextFile = 64 * 1024;
constexpr std::size_t kMaxCustomMetadata = 4096;  // the bound of AWS's builder

// SOURCE_DATE_EPOCH, or the epoch itself: never the clock, so that two builds give the same bytes.
std::string reproducible_build_time() {
  std::int64_t seconds = 0;
  if (const char* epoch = std::getenv("SOURCE_DATE_EPOCH"); epoch != nullptr && *epoch != 0) {
    char* end = nullptr;
    seconds = std::strtoll(epoch, &end, 10);
    if (*end != 0 || seconds < 0) throw Unreadable("SOURCE_DATE_EPOCH is not a number of seconds: " + std::string(epoch));
  }
  std::string text = format_time(seconds);
  text.pop_back();
  return text + "+00:00";
}

// Without --cmdline that of nitro-cli's builder for arm64, with another console and more words where they are asked for.
Bytes command_line_of(const ImageRecipe& recipe) {
  std::string text = recipe.cmdline;
  if (!recipe.cmdline_file.empty()) {
    const Bytes file = read_file(recipe.cmdline_file, kMaxTextFile);
    text = as_text(file);
    if (!text.empty() && text.back() == '\n') text.pop_back();  // the newline that editors add
  } else if (text.empty()) {
    text = "reboot=k panic=30 pci=off nomodules console=" + recipe.console + " random.trust_cpu=on root=/dev/ram0";
  }
  if (recipe.debug_friendly) text += " earlycon ignore_loglevel";
  if (!recipe.append.empty()) text += " " + recipe.append;
  return {text.begin(), text.end()};
}

nlohmann::json custom_metadata(const std::string& path) {
  if (path.empty()) return nullptr;
  const Bytes text = read_file(path, kMaxCustomMetadata);
  nlohmann::json json = nlohmann::json::parse(as_text(text), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw Unreadable(path + " is not a JSON object");
  return json;
}

// What a kernel calls itself ("Linux version 6.12.1 ...", init/version.c of Linux), or "unknown".
std::string version_of(ByteView kernel) {
  constexpr std::string_view kBanner = "Linux version ";
  constexpr std::size_t kLongest = 64;
  const std::string_view text = as_text(kernel);
  for (std::size_t at = text.find(kBanner); at != text.npos; at = text.find(kBanner, at + 1)) {
    const std::string_view version = text.substr(at + kBanner.size(), kLongest);
    const std::size_t end = version.find(' ');
    if (end != version.npos && end != 0 && version[0] >= '0' && version[0] <= '9' && is_valid_utf8(as_bytes(version.substr(0, end)))) {
      return std::string(version.substr(0, end));
    }
  }
  return "unknown";
}

// In the order of docs/enclave-images.md: what starts the enclave, what the user brings, the application.
std::vector<Bytes> ramdisks_of(const ImageRecipe& recipe, std::vector<std::string>& warnings) {
  std::vector<Bytes> made;
  if (!recipe.base.init.empty()) made.push_back(base_ramdisk(recipe.base));
  for (const std::string& path : recipe.ramdisks) made.push_back(read_file(path, kMaxEif));
  if (!recipe.application.roots.empty()) {
    if (made.empty()) throw Unreadable("--rootfs needs what starts it: --init FILE, or a first --ramdisk with an init of its own");
    made.push_back(application_ramdisk(recipe.application, warnings));
  } else if (!recipe.application.command.empty() || !recipe.application.environment.empty()) {
    throw Unreadable("a command and --env are written beside a root file system; give it with --rootfs");
  }
  if (made.empty()) throw Unreadable("the image would have no ramdisk; give --init and --rootfs, or --ramdisk");
  return made;
}

}  // namespace

Bytes build_image(const ImageRecipe& recipe, std::vector<std::string>& warnings) {
  const auto architecture = recipe.arch == "x86_64" ? EifArchitecture::kX86 : EifArchitecture::kAarch64;
  if (architecture == EifArchitecture::kX86 && recipe.cmdline.empty() && recipe.cmdline_file.empty()) {
    throw Unreadable("--cmdline is needed for x86_64; only aarch64 has one by default");
  }
  Bytes kernel = read_file(recipe.kernel, kMaxEif);
  if (!recipe.flat_kernel) kernel = bootable_kernel(std::move(kernel), architecture, recipe.kernel);
  EifMetadata metadata;
  metadata.image_name = recipe.name.empty() ? std::filesystem::path(recipe.kernel).filename().string() : recipe.name;
  metadata.image_version = recipe.version;
  metadata.build_time = recipe.build_time.empty() ? reproducible_build_time() : recipe.build_time;
  metadata.build_tool = recipe.build_tool;
  metadata.build_tool_version = recipe.build_tool_version;
  metadata.operating_system = recipe.operating_system;
  metadata.kernel_version = recipe.kernel_version.empty() ? version_of(kernel) : recipe.kernel_version;
  metadata.custom = custom_metadata(recipe.metadata);
  const std::string section = metadata_section(metadata);

  // The order of AWS's builder.
  std::vector<EifPart> parts;
  parts.push_back({EifSectionKind::kKernel, std::move(kernel)});
  parts.push_back({EifSectionKind::kCommandLine, command_line_of(recipe)});
  parts.push_back({EifSectionKind::kMetadata, Bytes(section.begin(), section.end())});
  for (Bytes& ramdisk : ramdisks_of(recipe, warnings)) parts.push_back({EifSectionKind::kRamdisk, std::move(ramdisk)});
  Bytes file = write_eif(architecture, parts);
  if (!recipe.sign_key.empty()) {
    const Bytes certificate = read_file(recipe.sign_cert, kMaxTextFile);
    const PrivateKey key(read_file(recipe.sign_key, kMaxTextFile));
    const EifImage unsigned_image = read_eif(std::move(file));
    parts.push_back({EifSectionKind::kSignature, sign_pcr0(unsigned_image.measurement.pcr0, key, certificate)});
    file = write_eif(architecture, parts);
  }
  return file;
}

}  // namespace cofferdam
