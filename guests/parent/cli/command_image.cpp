// describe-eif | build-enclave | sign-eif | pcr
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "guests/parent/cli/commands.hpp"
#include "guests/parent/cli/enclave_json.hpp"
#include "guests/parent/cli/failure.hpp"
#include "tools/cofferdam/chain.hpp"
#include "tools/cofferdam/eif_describe.hpp"

namespace enclave_cli {
namespace {

using cofferdam::Bytes;
using cofferdam::ByteView;
using cofferdam::EifImage;
using cofferdam::EifPart;
using Kind = enclave::EifSectionKind;

constexpr std::size_t kMaxKeyFile = 64 * 1024;
constexpr const char* kBlobs = "/usr/share/nitro_enclaves/blobs";

Bytes bytes_of(const std::string& path, std::size_t limit) {
  try {
    return cofferdam::read_file(path, limit);
  } catch (const cofferdam::Unreadable& error) {
    throw Failure(ErrorCode::kFileOperation, std::string(error.what()) + '.');
  }
}

void write_image(const std::string& path, ByteView bytes) {
  try {
    cofferdam::write_file(path, bytes);
  } catch (const cofferdam::Unreadable& error) {
    throw Failure(ErrorCode::kFileOperation, std::string(error.what()) + '.');
  }
}

EifImage image_at(const std::string& path) {
  try {
    return cofferdam::read_eif(bytes_of(path, cofferdam::kMaxEif));
  } catch (const Failure&) {
    throw;
  } catch (const std::runtime_error& error) {
    throw Failure(ErrorCode::kEifParsing, path + ": " + error.what() + '.');
  }
}

std::string measurements(const EifImage& image) {
  Json json;
  json["Measurements"] = cofferdam::measurements_json(image);
  return pretty(json);
}

// The image's parts with a signature over its PCR0 instead of the one it has.
Bytes signed_image(const EifImage& image, const std::string& certificate_path, const std::string& key_path) {
  const Bytes certificate = bytes_of(certificate_path, kMaxKeyFile);
  if (key_path.starts_with("arn:")) {
    throw Failure(ErrorCode::kEifSigning, "Keys in KMS can't be used here.", "Give the file of a private key.");
  }
  const Bytes key = bytes_of(key_path, kMaxKeyFile);
  try {
    Bytes section = cofferdam::sign_pcr0(image.measurement.pcr0, cofferdam::PrivateKey(key), certificate);
    const auto problem = cofferdam::check_certificate_time(
        cofferdam::parse_signer(cofferdam::certificates_in(certificate).front()),
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count());
    if (!problem.empty()) std::cerr << "Warning: " << problem << "; run-enclave refuses such an image.\n";
    std::vector<EifPart> parts = cofferdam::parts_of(image);
    std::erase_if(parts, [](const EifPart& part) { return part.kind == Kind::kSignature; });
    parts.push_back({Kind::kSignature, std::move(section)});
    return cofferdam::write_eif(image.layout.architecture, parts);
  } catch (const Failure&) {
    throw;
  } catch (const std::runtime_error& error) {
    throw Failure(ErrorCode::kEifSigning, std::string(error.what()) + '.',
                  "Key and certificate belong together: openssl ecparam, openssl req -x509.");
  }
}

std::string blob(const char* name) {
  const char* const folder = std::getenv("NITRO_CLI_BLOBS");
  return std::string(folder != nullptr && *folder != 0 ? folder : kBlobs) + '/' + name;
}

// A file that is not there is E19, as for every other command; what is wrong with one that is there is E48.
void need_inputs(const cofferdam::ImageRecipe& recipe) {
  std::vector<std::string> paths{recipe.kernel, recipe.cmdline_file, recipe.metadata, recipe.base.init};
  for (const auto* more : {&recipe.ramdisks, &recipe.application.roots, &recipe.base.folders}) paths.insert(paths.end(), more->begin(), more->end());
  for (const std::string& path : paths) {
    if (!path.empty() && !std::filesystem::exists(path)) throw Failure(ErrorCode::kFileOperation, "There is no file " + path + '.');
  }
}

cofferdam::ImageRecipe recipe_of(const BuildOptions& options) {
  cofferdam::ImageRecipe recipe = options.recipe;
  if (recipe.kernel.empty()) recipe.kernel = blob("Image");
  if (options.recipe.kernel.empty() && !std::filesystem::exists(recipe.kernel)) {
    throw Failure(ErrorCode::kBlobsPathNotSet, "There is no kernel: neither --kernel nor " + recipe.kernel + ".",
                  "Give --kernel, or set NITRO_CLI_BLOBS.");
  }
  const bool own_line = !recipe.cmdline.empty() || !recipe.cmdline_file.empty();
  if (!own_line && std::filesystem::exists(blob("cmdline"))) recipe.cmdline_file = blob("cmdline");
  if (recipe.name.empty()) recipe.name = std::filesystem::path(options.output).stem().string();
  need_inputs(recipe);
  return recipe;
}

}  // namespace

int describe_image(const std::string& path) {
  const EifImage image = image_at(path);
  try {
    const cofferdam::Description description = cofferdam::describe_eif(image);
    std::cout << pretty(description.json);
    for (const std::string& problem : description.problems)
      std::cerr << "Warning: " << problem << "; run-enclave refuses such an image.\n";
    return 0;
  } catch (const cofferdam::BadImage& error) {
    throw Failure(ErrorCode::kEifParsing, path + ": " + error.what() + '.');
  }
}

int print_pcr(const std::string& input, const std::string& certificate) {
  Json json;
  if (!certificate.empty()) {
    try {
      const Bytes file = bytes_of(certificate, kMaxKeyFile);
      json["PCR8"] = cofferdam::to_hex(
          cofferdam::pcr8_of(cofferdam::parse_signer(cofferdam::certificates_in(file).front()).der));
    } catch (const cofferdam::CryptoError& error) {
      throw Failure(ErrorCode::kHasher, certificate + ": " + error.what() + '.', "Give a certificate in PEM form.");
    }
  } else {
    json["PCR"] = cofferdam::to_hex(
        cofferdam::extend(cofferdam::Digest384{}, cofferdam::sha384(bytes_of(input, cofferdam::kMaxEif))));
  }
  std::cout << pretty(json);
  return 0;
}

int build_image(const BuildOptions& options) {
  if (!options.docker_uri.empty()) {
    throw Failure(options.docker_dir.empty() ? ErrorCode::kDockerImagePull : ErrorCode::kDockerImageBuild,
                  "There is no Docker in this parent, so '" + options.docker_uri + "' can't become an image here.",
                  "Where Docker is: `docker create IMAGE`, then `docker export CONTAINER > root.tar`. Here: "
                  "build-enclave --rootfs root.tar --kernel FILE --init FILE --cmd PROGRAM.");
  }
  const cofferdam::ImageRecipe recipe = recipe_of(options);
  std::cerr << "Start building the Enclave Image...\n";
  EifImage image;
  try {
    std::vector<std::string> warnings;
    image = cofferdam::read_eif(cofferdam::build_image(recipe, warnings));
    for (const std::string& warning : warnings) std::cerr << "Warning: " << warning << ".\n";
  } catch (const std::runtime_error& error) {
    throw Failure(ErrorCode::kEifBuilding, std::string(error.what()) + '.');
  }
  if (!options.key.empty()) image = cofferdam::read_eif(signed_image(image, options.certificate, options.key));
  write_image(options.output, image.bytes);
  std::cerr << "Enclave Image successfully created.\n";
  std::cout << measurements(image);
  return 0;
}

int sign_image(const std::string& path, const std::string& certificate, const std::string& key) {
  const EifImage image = image_at(path);
  if (!image.crc_good)
    throw Failure(ErrorCode::kEifParsing, path + ": the checksum is wrong.", "The file is damaged: build it again.");
  const EifImage done = cofferdam::read_eif(signed_image(image, certificate, key));
  write_image(path, done.bytes);
  std::cerr << "Enclave Image successfully signed.\n";
  std::cout << measurements(done);
  return 0;
}

}  // namespace enclave_cli
