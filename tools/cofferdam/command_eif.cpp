// cofferdam eif describe | build | sign | extract
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>

#include "tools/cofferdam/chain.hpp"
#include "tools/cofferdam/commands.hpp"
#include "tools/cofferdam/eif_describe.hpp"

namespace cofferdam {
namespace {

using enclave::EifArchitecture;
using enclave::EifSectionKind;

constexpr std::size_t kMaxKeyFile = 64 * 1024;
constexpr std::size_t kMaxCustomMetadata = 4096;  // the bound of AWS's builder
constexpr const char* kToolVersion = "1.0";

// Warns of what a monitor would refuse at the start of the enclave.
void warn_of_certificate_time(ByteView certificate_pem, std::ostream& out) {
  const Certificate certificate = parse_certificate(certificates_in(certificate_pem).front());
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const std::string problem = check_certificate_time(certificate, now.time_since_epoch().count());
  if (!problem.empty()) out << "warning: " << problem << "; a monitor refuses to start such an image\n";
}

// ---- describe -----------------------------------------------------------------------------------------------

struct DescribeOptions {
  std::string file;
};

int run_describe(const DescribeOptions& options) {
  const EifImage image = read_eif(read_file(options.file, kMaxEif));
  const Description description = describe_eif(image);
  std::cout << description.json.dump(2) << '\n';
  for (const std::string& problem : description.problems) std::cerr << "refused: " << problem << '\n';
  return description.problems.empty() ? kAccepted : kRefused;
}

// ---- build --------------------------------------------------------------------------------------------------

struct BuildOptions {
  std::string kernel, cmdline, cmdline_file, output, arch{"aarch64"}, metadata, sign_key, sign_cert;
  std::vector<std::string> ramdisks;
  std::string name, version{"1.0"}, build_time, build_tool{"cofferdam"}, build_tool_version{kToolVersion};
  std::string operating_system{"Linux"}, kernel_version{"unknown"};
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

Bytes command_line_of(const BuildOptions& options) {
  if (options.cmdline_file.empty()) return {options.cmdline.begin(), options.cmdline.end()};
  Bytes text = read_file(options.cmdline_file, kMaxKeyFile);
  if (!text.empty() && text.back() == '\n') text.pop_back();  // the newline that editors add
  return text;
}

nlohmann::json custom_metadata(const std::string& path) {
  if (path.empty()) return nullptr;
  const Bytes text = read_file(path, kMaxCustomMetadata);
  nlohmann::json json = nlohmann::json::parse(as_text(text), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw Unreadable(path + " is not a JSON object");
  return json;
}

int run_build(const BuildOptions& options) {
  EifMetadata metadata;
  metadata.image_name =
      options.name.empty() ? std::filesystem::path(options.kernel).filename().string() : options.name;
  metadata.image_version = options.version;
  metadata.build_time = options.build_time.empty() ? reproducible_build_time() : options.build_time;
  metadata.build_tool = options.build_tool;
  metadata.build_tool_version = options.build_tool_version;
  metadata.operating_system = options.operating_system;
  metadata.kernel_version = options.kernel_version;
  metadata.custom = custom_metadata(options.metadata);
  const std::string section = metadata_section(metadata);

  // The order of AWS's builder.
  std::vector<EifPart> parts;
  parts.push_back({EifSectionKind::kKernel, read_file(options.kernel, kMaxEif)});
  parts.push_back({EifSectionKind::kCommandLine, command_line_of(options)});
  parts.push_back({EifSectionKind::kMetadata, Bytes(section.begin(), section.end())});
  for (const std::string& ramdisk : options.ramdisks) {
    parts.push_back({EifSectionKind::kRamdisk, read_file(ramdisk, kMaxEif)});
  }
  const auto architecture = options.arch == "x86_64" ? EifArchitecture::kX86 : EifArchitecture::kAarch64;
  Bytes file = write_eif(architecture, parts);
  if (!options.sign_key.empty()) {
    const Bytes certificate = read_file(options.sign_cert, kMaxKeyFile);
    const PrivateKey key(read_file(options.sign_key, kMaxKeyFile));
    const EifImage unsigned_image = read_eif(std::move(file));
    parts.push_back({EifSectionKind::kSignature, sign_pcr0(unsigned_image.measurement.pcr0, key, certificate)});
    file = write_eif(architecture, parts);
    warn_of_certificate_time(certificate, std::cerr);
  }
  write_file(options.output, file);
  nlohmann::ordered_json json;
  json["Measurements"] = measurements_json(read_eif(std::move(file)));
  std::cout << json.dump(2) << '\n';
  return kAccepted;
}

// ---- sign ---------------------------------------------------------------------------------------------------

struct SignOptions {
  std::string file, key, certificate, output;
};

int run_sign(const SignOptions& options) {
  const EifImage image = read_eif(read_file(options.file, kMaxEif));
  if (!image.crc_good) throw BadImage(std::string(enclave::describe(enclave::EifError::kBadCrc)));
  const Bytes certificate = read_file(options.certificate, kMaxKeyFile);
  const PrivateKey key(read_file(options.key, kMaxKeyFile));
  Bytes section = sign_pcr0(image.measurement.pcr0, key, certificate);
  warn_of_certificate_time(certificate, std::cerr);
  std::vector<EifPart> parts = parts_of(image);
  const auto old = std::find_if(parts.begin(), parts.end(),
                                [](const EifPart& part) { return part.kind == EifSectionKind::kSignature; });
  if (old != parts.end()) {
    old->data = std::move(section);
  } else {
    parts.push_back({EifSectionKind::kSignature, std::move(section)});
  }
  Bytes file = write_eif(image.layout.architecture, parts);
  write_file(options.output.empty() ? options.file : options.output, file);
  nlohmann::ordered_json json;
  json["Measurements"] = measurements_json(read_eif(std::move(file)));
  std::cout << json.dump(2) << '\n';
  return kAccepted;
}

// ---- extract ------------------------------------------------------------------------------------------------

struct ExtractOptions {
  std::string file, folder;
};

int run_extract(const ExtractOptions& options) {
  const EifImage image = read_eif(read_file(options.file, kMaxEif));
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  if (error) throw Unreadable("can't make the folder " + options.folder + ": " + error.message());
  std::size_t ramdisks = 0;
  const auto write = [&](const std::string& name, ByteView bytes) {
    const std::string path = (std::filesystem::path(options.folder) / name).string();
    write_file(path, bytes);
    std::cout << path << "  " << bytes.size() << " bytes\n";
  };
  for (const enclave::EifSection& section : image.layout.sections) {
    const ByteView data = image.section(section);
    switch (section.kind) {
      case EifSectionKind::kKernel: write("kernel", data); break;
      case EifSectionKind::kCommandLine: write("cmdline", data); break;
      case EifSectionKind::kRamdisk: write("ramdisk" + std::to_string(ramdisks++), data); break;
      case EifSectionKind::kSignature:
        write("signature.cbor", data);
        write("certificate.pem", decode_signature_section(data).certificate_pem);
        break;
      case EifSectionKind::kMetadata: write("metadata.json", data); break;
    }
  }
  if (!image.crc_good) {
    std::cerr << "refused: " << enclave::describe(enclave::EifError::kBadCrc) << '\n';
    return kRefused;
  }
  return kAccepted;
}

}  // namespace

void add_eif_commands(CLI::App& application, Run& run) {
  CLI::App* eif = application.add_subcommand("eif", "Describe, build, sign and unpack enclave images (EIF)");
  eif->require_subcommand(1);

  const auto describe_options = std::make_shared<DescribeOptions>();
  CLI::App* describe = eif->add_subcommand(
      "describe", "Print what an image is and measures to, as nitro-cli describe-eif does (JSON)");
  describe->footer("Exit codes: 0 good, 1 when a rule of the format, the checksum or the signature is broken, 2 when the\n"
                   "file can't be read or is no enclave image.");
  describe->add_option("FILE", describe_options->file, "The image; - for standard input")->required();
  describe->callback([&run, describe_options] { run = [describe_options] { return run_describe(*describe_options); }; });

  const auto build_options = std::make_shared<BuildOptions>();
  BuildOptions& b = *build_options;
  CLI::App* build = eif->add_subcommand(
      "build", "Build an image from kernel, command line and ramdisks, and print its measurements (JSON)");
  build->footer("The same inputs give the same bytes: the build time is SOURCE_DATE_EPOCH, or 1970 without it.\n"
                "What is printed can be used as a policy: cofferdam verify --policy FILE.");
  build->add_option("--kernel", b.kernel, "Kernel: an arm64 Image, or a bzImage for x86_64")->type_name("FILE")->required();
  auto* text = build->add_option("--cmdline", b.cmdline, "Kernel command line");
  auto* text_file = build->add_option("--cmdline-file", b.cmdline_file, "File with it; a last newline is left out");
  text->excludes(text_file);
  build->add_option("--ramdisk", b.ramdisks, "Ramdisk; give it again for more, in this order")->required()->expected(1, -1);
  build->add_option("--arch", b.arch, "aarch64 or x86_64")->check(CLI::IsMember({"aarch64", "x86_64"}))->capture_default_str();
  build->add_option("--name", b.name, "Image name in the metadata (default: the kernel's file name)");
  build->add_option("--version", b.version, "Image version in the metadata")->capture_default_str();
  build->add_option("--metadata", b.metadata, "JSON object (at most 4096 bytes) to add as CustomMetadata")->type_name("FILE");
  build->add_option("--build-time", b.build_time, "Build time in the metadata, instead of SOURCE_DATE_EPOCH");
  build->add_option("--build-tool", b.build_tool, "Build tool in the metadata")->capture_default_str();
  build->add_option("--build-tool-version", b.build_tool_version, "Its version")->capture_default_str();
  build->add_option("--image-os", b.operating_system, "Operating system in the metadata")->capture_default_str();
  build->add_option("--image-kernel", b.kernel_version, "Kernel version in the metadata")->capture_default_str();
  auto* key = build->add_option("--sign-key", b.sign_key, "Private key (PEM, P-256, P-384 or P-521) to sign PCR0 with")->type_name("FILE");
  auto* certificate = build->add_option("--sign-cert", b.sign_cert, "Its certificate (PEM); measured into PCR8");
  key->needs(certificate);
  certificate->needs(key);
  build->add_option("--output,-o", b.output, "The image to write")->type_name("FILE")->required();
  build->callback([&run, build_options, text, text_file] {
    if (text->count() == 0 && text_file->count() == 0) throw CLI::RequiredError("--cmdline or --cmdline-file");
    run = [build_options] { return run_build(*build_options); };
  });

  const auto sign_options = std::make_shared<SignOptions>();
  SignOptions& s = *sign_options;
  CLI::App* sign = eif->add_subcommand("sign", "Sign an image's PCR0, or replace the signature it has");
  sign->footer("PCR0, PCR1 and PCR2 stay; PCR8 becomes the certificate's measurement.");
  sign->add_option("FILE", s.file, "The image")->required();
  sign->add_option("--sign-key", s.key, "Private key (PEM or DER; P-256, P-384 or P-521)")->required();
  sign->add_option("--sign-cert", s.certificate, "Its certificate (PEM)")->type_name("FILE")->required();
  sign->add_option("--output,-o", s.output, "Write here and leave FILE as it is")->type_name("FILE");
  sign->callback([&run, sign_options] { run = [sign_options] { return run_sign(*sign_options); }; });

  const auto extract_options = std::make_shared<ExtractOptions>();
  CLI::App* extract = eif->add_subcommand("extract", "Write an image's sections as files");
  extract->add_option("FILE", extract_options->file, "The image; - for standard input")->required();
  extract->add_option("--output-dir,-o", extract_options->folder, "Folder to write to")->type_name("FOLDER")->required();
  extract->callback([&run, extract_options] { run = [extract_options] { return run_extract(*extract_options); }; });
}

}  // namespace cofferdam
