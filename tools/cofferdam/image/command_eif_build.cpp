#include "tools/cofferdam/image/command_eif_build.hpp"

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>

#include "tools/cofferdam/chain.hpp"
#include "tools/cofferdam/eif_describe.hpp"
#include "tools/cofferdam/image/kernel_image.hpp"
#include "tools/cofferdam/image/ramdisks.hpp"

namespace cofferdam {
namespace {

using enclave::EifArchitecture;
using enclave::EifSectionKind;

constexpr std::size_t kMaxTextFile = 64 * 1024;
constexpr std::size_t kMaxCustomMetadata = 4096;  // the bound of AWS's builder
constexpr const char* kToolVersion = "1.0";

struct BuildOptions {
  std::string kernel, arch{"aarch64"}, output;
  bool flat_kernel{};
  std::string cmdline, cmdline_file, console{"ttyS0"}, append;
  bool debug_friendly{};
  std::vector<std::string> ramdisks;
  BaseRamdisk base;
  ApplicationRamdisk application;
  std::vector<std::string> command_words;  // behind "--"
  std::string metadata, sign_key, sign_cert;
  std::string name, version{"1.0"}, build_time, build_tool{"cofferdam"}, build_tool_version{kToolVersion};
  std::string operating_system{"Linux"}, kernel_version;
};

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
Bytes command_line_of(const BuildOptions& options) {
  std::string text = options.cmdline;
  if (!options.cmdline_file.empty()) {
    const Bytes file = read_file(options.cmdline_file, kMaxTextFile);
    text = as_text(file);
    if (!text.empty() && text.back() == '\n') text.pop_back();  // the newline that editors add
  } else if (text.empty()) {
    text = "reboot=k panic=30 pci=off nomodules console=" + options.console + " random.trust_cpu=on root=/dev/ram0";
  }
  if (options.debug_friendly) text += " earlycon ignore_loglevel";
  if (!options.append.empty()) text += " " + options.append;
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
std::vector<Bytes> ramdisks_of(const BuildOptions& options, std::vector<std::string>& warnings) {
  std::vector<Bytes> made;
  if (!options.base.init.empty()) made.push_back(base_ramdisk(options.base));
  for (const std::string& path : options.ramdisks) made.push_back(read_file(path, kMaxEif));
  if (!options.application.roots.empty()) {
    if (made.empty()) throw Unreadable("--rootfs needs what starts it: --init FILE, or a first --ramdisk with an init of its own");
    ApplicationRamdisk application = options.application;
    application.command.insert(application.command.end(), options.command_words.begin(), options.command_words.end());
    made.push_back(application_ramdisk(application, warnings));
  } else if (!options.application.command.empty() || !options.application.environment.empty() || !options.command_words.empty()) {
    throw Unreadable("a command and --env are written beside a root file system; give it with --rootfs");
  }
  if (made.empty()) throw Unreadable("the image would have no ramdisk; give --init and --rootfs, or --ramdisk");
  return made;
}

int run_build(const BuildOptions& options) {
  const auto architecture = options.arch == "x86_64" ? EifArchitecture::kX86 : EifArchitecture::kAarch64;
  if (architecture == EifArchitecture::kX86 && options.cmdline.empty() && options.cmdline_file.empty()) {
    throw Unreadable("--cmdline is needed for x86_64; only aarch64 has one by default");
  }
  Bytes kernel = read_file(options.kernel, kMaxEif);
  if (!options.flat_kernel) kernel = bootable_kernel(std::move(kernel), architecture, options.kernel);
  EifMetadata metadata;
  metadata.image_name = options.name.empty() ? std::filesystem::path(options.kernel).filename().string() : options.name;
  metadata.image_version = options.version;
  metadata.build_time = options.build_time.empty() ? reproducible_build_time() : options.build_time;
  metadata.build_tool = options.build_tool;
  metadata.build_tool_version = options.build_tool_version;
  metadata.operating_system = options.operating_system;
  metadata.kernel_version = options.kernel_version.empty() ? version_of(kernel) : options.kernel_version;
  metadata.custom = custom_metadata(options.metadata);
  const std::string section = metadata_section(metadata);

  // The order of AWS's builder.
  std::vector<EifPart> parts;
  parts.push_back({EifSectionKind::kKernel, std::move(kernel)});
  parts.push_back({EifSectionKind::kCommandLine, command_line_of(options)});
  parts.push_back({EifSectionKind::kMetadata, Bytes(section.begin(), section.end())});
  std::vector<std::string> warnings;
  for (Bytes& ramdisk : ramdisks_of(options, warnings)) parts.push_back({EifSectionKind::kRamdisk, std::move(ramdisk)});
  Bytes file = write_eif(architecture, parts);
  if (!options.sign_key.empty()) {
    const Bytes certificate = read_file(options.sign_cert, kMaxTextFile);
    const PrivateKey key(read_file(options.sign_key, kMaxTextFile));
    const EifImage unsigned_image = read_eif(std::move(file));
    parts.push_back({EifSectionKind::kSignature, sign_pcr0(unsigned_image.measurement.pcr0, key, certificate)});
    file = write_eif(architecture, parts);
    warn_of_certificate_time(certificate, std::cerr);
  }
  write_file(options.output, file);
  for (const std::string& warning : warnings) std::cerr << "warning: " << warning << '\n';
  nlohmann::ordered_json json;
  json["Measurements"] = measurements_json(read_eif(std::move(file)));
  std::cout << json.dump(2) << '\n';
  return kAccepted;
}

}  // namespace

CLI::App* add_eif_build_command(CLI::App& eif, Run& run, const std::vector<std::string>& behind) {
  const auto build_options = std::make_shared<BuildOptions>();
  BuildOptions& b = *build_options;
  b.command_words = behind;
  CLI::App* build = eif.add_subcommand("build", "Build an image and print its measurements (JSON)");
  build->footer(
      "An application:   cofferdam eif build --kernel VMLINUZ --init INIT --module nsm.ko --rootfs DIR -o IMAGE -- /bin/app ARGUMENT\n"
      "Ready ramdisks:   cofferdam eif build --kernel IMAGE --cmdline TEXT --ramdisk FILE --ramdisk FILE -o IMAGE\n"
      "The same inputs give the same bytes: the build time is SOURCE_DATE_EPOCH, or 1970 without it, and files carry no time.\n"
      "What is printed can be used as a policy: cofferdam verify --policy FILE.");
  build->add_option("--kernel", b.kernel, "Kernel: an arm64 Image, raw, compressed or as a distribution's vmlinuz; or a bzImage for x86_64")
      ->type_name("FILE")->required();
  build->add_flag("--flat-kernel", b.flat_kernel, "The kernel is no Linux, but a program that is entered at its first byte; take it as it is");
  auto* text = build->add_option("--cmdline", b.cmdline, "Kernel command line (default for aarch64: that of nitro-cli)");
  auto* text_file = build->add_option("--cmdline-file", b.cmdline_file, "File with it; a last newline is left out")->type_name("FILE");
  auto* console = build->add_option("--console", b.console, "Console of the default command line")->type_name("TTY")->capture_default_str();
  text->excludes(text_file);
  console->excludes(text);
  console->excludes(text_file);
  build->add_flag("--debug-friendly", b.debug_friendly, "Add to the command line what shows a debug enclave's boot; it is measured");
  build->add_option("--append", b.append, "More words for the command line")->type_name("TEXT");
  auto* init = build->add_option("--init", b.base.init, "Make the first ramdisk: this program is the first process")->type_name("FILE");
  build->add_option("--module", b.base.modules, "Kernel module for it, loaded in this order; compressed ones are unpacked; 'FILE PARAMETERS'")
      ->type_name("FILE")->expected(1, -1)->needs(init);
  build->add_option("--base-add", b.base.folders, "Folder to lay over the first ramdisk's root")->type_name("DIR")->needs(init);
  build->add_option("--ramdisk", b.ramdisks, "Ready ramdisk; give it again for more, in this order")->type_name("FILE")->expected(1, -1);
  build->add_option("--rootfs", b.application.roots, "Make the last ramdisk: the application's root, a folder or a tar archive; give "
                    "it again to lay another over it")->type_name("DIR|TAR");
  build->add_option("--cmd", b.application.command, "What runs in it: the program, and again for each argument (--cmd=-x); or behind --")
      ->type_name("WORD");
  build->add_option("--env", b.application.environment, "Environment variable of it")->type_name("NAME=VALUE");
  build->add_flag("--keep-attributes", b.application.attributes.keep,
                  "Keep owners and modes of the files (default: root's, 0755 and 0644; a tar archive's modes are kept)");
  build->add_option("--arch", b.arch, "aarch64 or x86_64")->check(CLI::IsMember({"aarch64", "x86_64"}))->capture_default_str();
  build->add_option("--name", b.name, "Image name in the metadata (default: the kernel's file name)");
  build->add_option("--version", b.version, "Image version in the metadata")->capture_default_str();
  build->add_option("--metadata", b.metadata, "JSON object (at most 4096 bytes) to add as CustomMetadata")->type_name("FILE");
  build->add_option("--build-time", b.build_time, "Build time in the metadata, instead of SOURCE_DATE_EPOCH");
  build->add_option("--build-tool", b.build_tool, "Build tool in the metadata")->capture_default_str();
  build->add_option("--build-tool-version", b.build_tool_version, "Its version")->capture_default_str();
  build->add_option("--image-os", b.operating_system, "Operating system in the metadata")->capture_default_str();
  build->add_option("--image-kernel", b.kernel_version, "Kernel version in the metadata (default: what the kernel says)");
  auto* key = build->add_option("--sign-key", b.sign_key, "Private key (PEM, P-256, P-384 or P-521) to sign PCR0 with")->type_name("FILE");
  auto* certificate = build->add_option("--sign-cert", b.sign_cert, "Its certificate (PEM); measured into PCR8");
  key->needs(certificate);
  certificate->needs(key);
  build->add_option("--output,-o", b.output, "The image to write")->type_name("FILE")->required();
  build->callback([&run, build_options] { run = [build_options] { return run_build(*build_options); }; });
  return build;
}

}  // namespace cofferdam
