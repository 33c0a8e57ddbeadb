#include "tools/cofferdam/image/command_eif_build.hpp"

#include <iostream>
#include <memory>

#include "tools/cofferdam/chain.hpp"
#include "tools/cofferdam/eif_describe.hpp"
#include "tools/cofferdam/image/build_image.hpp"

namespace cofferdam {
namespace {

constexpr std::size_t kMaxTextFile = 64 * 1024;

struct BuildOptions {
  ImageRecipe recipe;
  std::string output;
  std::vector<std::string> command_words;  // behind "--"
};

int run_build(const BuildOptions& options) {
  ImageRecipe recipe = options.recipe;
  recipe.application.command.insert(recipe.application.command.end(), options.command_words.begin(), options.command_words.end());
  std::vector<std::string> warnings;
  Bytes file = build_image(recipe, warnings);
  if (!recipe.sign_cert.empty()) warn_of_certificate_time(read_file(recipe.sign_cert, kMaxTextFile), std::cerr);
  write_file(options.output, file);
  for (const std::string& warning : warnings) std::cerr << "warning: " << warning << '\n';
  nlohmann::ordered_json json;
  json["Measurements"] = measurements_json(read_eif(std::move(file)));
  std::cout << json.dump(2) << '\n';
  return kAccepted;
}

}  // namespace

command_line::Command add_eif_build_command(command_line::Command eif, Run& run, const std::vector<std::string>& behind) {
  const auto build_options = std::make_shared<BuildOptions>();
  BuildOptions& b = *build_options;
  ImageRecipe& r = b.recipe;
  b.command_words = behind;
  command_line::Command build = eif.add_subcommand("build", "Build an image and print its measurements (JSON)");
  build.footer(
      "An application:   cofferdam eif build --kernel VMLINUZ --init INIT --module nsm.ko --rootfs DIR -o IMAGE -- /bin/app ARGUMENT\n"
      "Ready ramdisks:   cofferdam eif build --kernel IMAGE --cmdline TEXT --ramdisk FILE --ramdisk FILE -o IMAGE\n"
      "The same inputs give the same bytes: the build time is SOURCE_DATE_EPOCH, or 1970 without it, and files carry no time.\n"
      "What is printed can be used as a policy: cofferdam verify --policy FILE.");
  build.add_option("--kernel", r.kernel, "Kernel: an arm64 Image, raw, compressed or as a distribution's vmlinuz; or a bzImage for x86_64")
      .type_name("FILE").required();
  build.add_flag("--flat-kernel", r.flat_kernel, "The kernel is no Linux, but a program that is entered at its first byte; take it as it is");
  auto text = build.add_option("--cmdline", r.cmdline, "Kernel command line (default for aarch64: that of nitro-cli)");
  auto text_file = build.add_option("--cmdline-file", r.cmdline_file, "File with it; a last newline is left out").type_name("FILE");
  auto console = build.add_option("--console", r.console, "Console of the default command line").type_name("TTY").capture_default_str();
  text.excludes(text_file);
  console.excludes(text);
  console.excludes(text_file);
  build.add_flag("--debug-friendly", r.debug_friendly, "Add to the command line what shows a debug enclave's boot; it is measured");
  build.add_option("--append", r.append, "More words for the command line").type_name("TEXT");
  auto init = build.add_option("--init", r.base.init, "Make the first ramdisk: this program is the first process").type_name("FILE");
  build.add_option("--module", r.base.modules, "Kernel module for it, loaded in this order; compressed ones are unpacked; 'FILE PARAMETERS'")
      .type_name("FILE").several().needs(init);
  build.add_option("--base-add", r.base.folders, "Folder to lay over the first ramdisk's root").type_name("DIR").needs(init);
  build.add_option("--ramdisk", r.ramdisks, "Ready ramdisk; give it again for more, in this order").type_name("FILE").several();
  build.add_option("--rootfs", r.application.roots, "Make the last ramdisk: the application's root, a folder or a tar archive; give "
                    "it again to lay another over it").type_name("DIR|TAR");
  build.add_option("--cmd", r.application.command, "What runs in it: the program, and again for each argument (--cmd=-x); or behind --")
      .type_name("WORD");
  build.add_option("--env", r.application.environment, "Environment variable of it").type_name("NAME=VALUE");
  build.add_flag("--keep-attributes", r.application.attributes.keep,
                  "Keep owners and modes of the files (default: root's, 0755 and 0644; a tar archive's modes are kept)");
  build.add_option("--arch", r.arch, "aarch64 or x86_64").one_of({"aarch64", "x86_64"}).capture_default_str();
  build.add_option("--name", r.name, "Image name in the metadata (default: the kernel's file name)");
  build.add_option("--version", r.version, "Image version in the metadata").capture_default_str();
  build.add_option("--metadata", r.metadata, "JSON object (at most 4096 bytes) to add as CustomMetadata").type_name("FILE");
  build.add_option("--build-time", r.build_time, "Build time in the metadata, instead of SOURCE_DATE_EPOCH");
  build.add_option("--build-tool", r.build_tool, "Build tool in the metadata").capture_default_str();
  build.add_option("--build-tool-version", r.build_tool_version, "Its version").capture_default_str();
  build.add_option("--image-os", r.operating_system, "Operating system in the metadata").capture_default_str();
  build.add_option("--image-kernel", r.kernel_version, "Kernel version in the metadata (default: what the kernel says)");
  auto key = build.add_option("--sign-key", r.sign_key, "Private key (PEM, P-256, P-384 or P-521) to sign PCR0 with").type_name("FILE");
  auto certificate = build.add_option("--sign-cert", r.sign_cert, "Its certificate (PEM); measured into PCR8");
  key.needs(certificate);
  certificate.needs(key);
  build.add_option("--output,-o", b.output, "The image to write").type_name("FILE").required();
  build.callback([&run, build_options] { run = [build_options] { return run_build(*build_options); }; });
  return build;
}

}  // namespace cofferdam
