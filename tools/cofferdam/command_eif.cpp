// cofferdam eif describe | sign | extract; build is in image/command_eif_build.cpp.
#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>

#include "tools/cofferdam/chain.hpp"
#include "tools/cofferdam/commands.hpp"
#include "tools/cofferdam/eif_describe.hpp"
#include "tools/command_line/command_line.hpp"

namespace cofferdam {
namespace {

using enclave::EifSectionKind;

constexpr std::size_t kMaxKeyFile = 64 * 1024;

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

void warn_of_certificate_time(ByteView certificate_pem, std::ostream& out) {
  const Certificate certificate = parse_signer(certificates_in(certificate_pem).front());
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const std::string problem = check_certificate_time(certificate, now.time_since_epoch().count());
  if (!problem.empty()) out << "warning: " << problem << "; a monitor refuses to start such an image\n";
}

command_line::Command add_eif_commands(command_line::Command application, Run& run) {
  command_line::Command eif = application.add_subcommand("eif", "Describe, build, sign and unpack enclave images (EIF)");
  eif.require_subcommand(1);

  const auto describe_options = std::make_shared<DescribeOptions>();
  command_line::Command describe = eif.add_subcommand(
      "describe", "Print what an image is and measures to, as nitro-cli describe-eif does (JSON)");
  describe.footer("Exit codes: 0 good, 1 when a rule of the format, the checksum or the signature is broken, 2 when the\n"
                   "file can't be read or is no enclave image.");
  describe.add_option("FILE", describe_options->file, "The image; - for standard input").required();
  describe.callback([&run, describe_options] { run = [describe_options] { return run_describe(*describe_options); }; });

  const auto sign_options = std::make_shared<SignOptions>();
  SignOptions& s = *sign_options;
  command_line::Command sign = eif.add_subcommand("sign", "Sign an image's PCR0, or replace the signature it has");
  sign.footer("PCR0, PCR1 and PCR2 stay; PCR8 becomes the certificate's measurement.");
  sign.add_option("FILE", s.file, "The image").required();
  sign.add_option("--sign-key", s.key, "Private key (PEM or DER; P-256, P-384 or P-521)").required();
  sign.add_option("--sign-cert", s.certificate, "Its certificate (PEM)").type_name("FILE").required();
  sign.add_option("--output,-o", s.output, "Write here and leave FILE as it is").type_name("FILE");
  sign.callback([&run, sign_options] { run = [sign_options] { return run_sign(*sign_options); }; });

  const auto extract_options = std::make_shared<ExtractOptions>();
  command_line::Command extract = eif.add_subcommand("extract", "Write an image's sections as files");
  extract.add_option("FILE", extract_options->file, "The image; - for standard input").required();
  extract.add_option("--output-dir,-o", extract_options->folder, "Folder to write to").type_name("FOLDER").required();
  extract.callback([&run, extract_options] { run = [extract_options] { return run_extract(*extract_options); }; });
  return eif;
}

}  // namespace cofferdam
