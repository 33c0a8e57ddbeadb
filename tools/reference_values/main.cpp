// `reference-values`: prints what an honest boot of these files must show.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <map>

#include "tools/provision/key_file.hpp"
#include "tools/reference_values/reference_values.hpp"

namespace {

constexpr std::size_t kMaxFile = std::size_t{64} * 1024 * 1024;
enum class Format : std::uint8_t { kJson, kCorim };

struct Options {
  std::string rom, monitor, board_digest, signer, output;
  std::uint32_t version{};
  Format format{Format::kJson};
};

void add_to(CLI::App& app, Options& options) {
  app.add_option("--rom", options.rom, "rom.bin")->required()->type_name("FILE");
  app.add_option("--monitor", options.monitor, "monitor.bin, unsigned")->required()->type_name("FILE");
  app.add_option("--board-digest", options.board_digest, "Digest of the board description, 96 hex digits")
      ->required()->type_name("HEX");
  app.add_option("--version", options.version, "Security version the monitor was signed with")
      ->required()->type_name("N");
  app.add_option("--signer", options.signer, "Firmware signer's public key, as PEM")->required()->type_name("FILE");
  const std::map<std::string, Format> formats{{"json", Format::kJson}, {"corim", Format::kCorim}};
  app.add_option("--format", options.format, "json (default) or corim (CBOR, draft-ietf-rats-corim)")
      ->transform(CLI::CheckedTransformer(formats))->type_name("FORMAT")->option_text("json|corim");
  app.add_option("--output", options.output, "File to write; default: standard output")->type_name("FILE");
}

provision::Bytes render(const Options& options) {
  const reference_values::ReferenceValues values = reference_values::compute({
      .rom = provision::read_file(options.rom, kMaxFile),
      .monitor = provision::read_file(options.monitor, kMaxFile),
      .board_digest = provision::parse_digest(options.board_digest),
      .security_version = options.version,
      .firmware_signer = provision::read_public_key(options.signer),
  });
  switch (options.format) {
    case Format::kJson: {
      const std::string text = reference_values::to_json(values);
      return {text.begin(), text.end()};
    }
    case Format::kCorim: return reference_values::to_corim(values);
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"The platform PCRs that a device shows when it booted exactly these files.\n"
               "Compare them with a document: cofferdam verify --reference-values FILE DOCUMENT"};
  Options options;
  add_to(app, options);
  CLI11_PARSE(app, argc, argv);
  try {
    const provision::Bytes content = render(options);
    if (options.output.empty()) {
      return std::fwrite(content.data(), 1, content.size(), stdout) == content.size() ? 0 : 1;
    }
    provision::write_file(options.output, content, provision::Secrecy::kPublic);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "reference-values: %s\n", error.what());
    return 1;
  }
}
