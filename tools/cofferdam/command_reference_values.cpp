// cofferdam reference-values
#include <iostream>
#include <memory>

#include "tools/cofferdam/commands.hpp"
#include "tools/cofferdam/bytes.hpp"
#include "tools/command_line/command_line.hpp"
#include "tools/provision/key_file.hpp"
#include "tools/reference_values/reference_values.hpp"

namespace cofferdam {
namespace {

constexpr std::size_t kMaxFirmware = std::size_t{64} << 20;

struct ReferenceArguments {
  std::string rom, monitor, board_digest, signer, format{"json"}, output;
  std::uint32_t version{};
};

int run_reference_values(const ReferenceArguments& options) {
  const reference_values::ReferenceValues values = reference_values::compute({
      .rom = read_file(options.rom, kMaxFirmware),
      .monitor = read_file(options.monitor, kMaxFirmware),
      .board_digest = provision::parse_digest(options.board_digest),
      .security_version = options.version,
      .firmware_signer = provision::read_public_key(options.signer),
  });
  Bytes content;
  if (options.format == "corim") {
    content = reference_values::to_corim(values);
  } else {
    const std::string json = reference_values::to_json(values);
    content.assign(json.begin(), json.end());
  }
  if (options.output.empty()) {
    std::cout.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
  } else {
    write_file(options.output, content);
  }
  return kAccepted;
}

}  // namespace

void add_reference_values_command(command_line::Command application, Run& run) {
  const auto options = std::make_shared<ReferenceArguments>();
  ReferenceArguments& o = *options;
  command_line::Command command = application.add_subcommand(
      "reference-values", "Print the platform registers that a machine shows when it booted exactly these files");
  command.footer("Compare a document with them: cofferdam verify --reference-values FILE --event-log FILE ...");
  command.add_option("--rom", o.rom, "rom.bin").type_name("FILE").required();
  command.add_option("--monitor", o.monitor, "monitor.bin, unsigned").type_name("FILE").required();
  command.add_option("--board-digest", o.board_digest, "Digest of the board description, 96 hexadecimal digits").type_name("HEX").required();
  command.add_option("--version", o.version, "Security version that the monitor was signed with").type_name("N").required();
  command.add_option("--signer", o.signer, "The firmware signer's public key (PEM)").type_name("FILE").required();
  command.add_option("--format", o.format, "json, or corim (CBOR, draft-ietf-rats-corim)")
      .one_of({"json", "corim"})
      .capture_default_str();
  command.add_option("--output,-o", o.output, "File to write (default: standard output)").type_name("FILE");
  command.callback([&run, options] { run = [options] { return run_reference_values(*options); }; });
}

}  // namespace cofferdam
