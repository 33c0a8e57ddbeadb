// `provision`: the manufacturer's command line. Each subcommand reads its options, calls one library function, writes.
#include <chrono>
#include <cstdio>
#include <exception>

#include "firmware/rom/layout.hpp"
#include "tools/command_line/command_line.hpp"
#include "tools/provision/device.hpp"
#include "tools/provision/package.hpp"

namespace provision {
namespace {

constexpr std::size_t kMaxFile = std::size_t{64} * 1024 * 1024;

std::uint64_t now() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count());
}

struct Common {  // options of the subcommands that make secrets
  std::string seed;
  std::uint64_t not_before{};
  bool development{};

  void add_to(command_line::Command command) {
    command.add_flag("--development", development,
                     "Mark the identity: its keys are not protected, verifiers refuse it unless asked");
    command.add_option("--seed", seed, "Make everything from this file (at least 16 bytes) instead of the system's "
                                       "random numbers; whoever has the file has the keys. Only with --development")
        .type_name("FILE");
    command.add_option("--not-before", not_before, "Begin of the certificates' validity; default: now, or "
                                                   "2025-01-01 with --seed")
        .type_name("UNIX_SECONDS");
  }
  [[nodiscard]] Randomness randomness() const {
    if (seed.empty()) return Randomness{};
    if (!development) throw ProvisionError("--seed makes keys that others can make again: only with --development");
    return Randomness{read_file(seed, kMaxFile)};
  }
  [[nodiscard]] std::uint64_t begin() const {
    constexpr std::uint64_t kReproducibleBegin = 1'735'689'600;  // 2025-01-01T00:00:00Z
    if (not_before != 0) return not_before;
    return seed.empty() ? now() : kReproducibleBegin;
  }
  [[nodiscard]] Purpose purpose() const { return development ? Purpose::kDevelopment : Purpose::kProduction; }
};

struct RootCommand {
  std::string output;
  Common common;
  command_line::Command command;

  void add_to(command_line::Command app) {
    command = app.add_subcommand("root",
                                 "Make a manufacturer's root: CA keys and certificates, the firmware signing key");
    command.add_option("--output", output, "Folder for the keys and certificates").required().type_name("DIR");
    common.add_to(command);
  }
  void run() const {
    make_root({output, common.purpose(), common.begin()}, common.randomness());
    std::printf("%s: root made%s\n", output.c_str(), common.development ? " (DEVELOPMENT)" : "");
    std::printf("  give to verifiers: %s/root.pem\n  keep secret:       root-key.pem manufacturer-key.pem "
                "firmware-signing-key.pem\n", output.c_str());
  }
};

struct DeviceCommand {
  std::string root;
  std::string output;
  std::string device_id;
  std::uint32_t minimum_version{};
  Common common;
  command_line::Command command;

  void add_to(command_line::Command app) {
    command = app.add_subcommand("device", "Make one device's identity: secret, certificate, whose firmware it trusts");
    command.add_option("--root", root, "Folder made by `provision root`").required().type_name("DIR");
    command.add_option("--output", output, "Identity file (secret: holds the device's unique secret)")
        .required().type_name("FILE");
    command.add_option("--minimum-version", minimum_version, "Lowest security version of firmware it will start; "
                                                              "default 0").type_name("N");
    command.add_option("--device-id", device_id, "Name of the device; default: i- and 17 random hex digits")
        .type_name("ID");
    common.add_to(command);
  }
  void run() const {
    const Bytes identity = make_device(read_root(root), {device_id, minimum_version, common.purpose(), common.begin()},
                                       common.randomness());
    write_file(output, identity, Secrecy::kSecret);
    std::printf("%s: identity made%s, minimum version %u\n", output.c_str(),
                common.development ? " (DEVELOPMENT)" : "", minimum_version);
  }
};

struct SignCommand {
  std::string root;
  std::string image;
  std::string board_digest;
  std::string output;
  PackageOptions package{.load_address = rom::layout::kMonitorLoad, .name = "cofferdam-monitor"};
  std::uint64_t entry{};
  command_line::Command command;

  void add_to(command_line::Command app) {
    command = app.add_subcommand("sign", "Sign a monitor image: writes the firmware package, manifest and image");
    command.add_option("--root", root, "Folder with firmware-signing-key.pem").required().type_name("DIR");
    command.add_option("--image", image, "Flat image of the monitor (monitor.bin)").required().type_name("FILE");
    command.add_option("--board-digest", board_digest, "Digest of the board description, 96 hex digits")
        .required().type_name("HEX");
    command.add_option("--version", package.security_version, "Security version: raise it when an older image must "
                                                              "never run again").required().type_name("N");
    command.add_option("--output", output, "Firmware package, for offset 0 of the firmware flash")
        .required().type_name("FILE");
    command.add_option("--load-address", package.load_address, "Where the image is loaded; default 0x40200000")
        .type_name("ADDRESS");
    command.add_option("--entry", entry, "First instruction; default: the load address").type_name("ADDRESS");
    command.add_option("--name", package.name, "Name for people, up to 31 characters; default cofferdam-monitor");
  }
  void run() const {
    PackageOptions options = package;
    options.board_digest = parse_digest(board_digest);
    options.entry = entry != 0 ? entry : options.load_address;
    const Bytes content = make_package(read_file(image, kMaxFile), options,
                                       read_private_key(Path(root) / "firmware-signing-key.pem"));
    write_file(output, content, Secrecy::kPublic);
    std::printf("%s: package of %zu bytes, security version %u\n", output.c_str(), content.size(),
                options.security_version);
  }
};

struct FlashCommand {
  std::string rom;
  std::string identity;
  std::string output;
  command_line::Command command;

  void add_to(command_line::Command app) {
    command = app.add_subcommand("flash", "Put ROM and identity together: contents of the secure flash at address 0");
    command.add_option("--rom", rom, "rom.bin").required().type_name("FILE");
    command.add_option("--identity", identity, "Made by `provision device`").required().type_name("FILE");
    command.add_option("--output", output, "Flash image (secret: holds the device's unique secret)")
        .required().type_name("FILE");
  }
  void run() const {
    write_file(output, make_flash(read_file(rom, kMaxFile), read_file(identity, kMaxFile)), Secrecy::kSecret);
    std::printf("%s: written\n", output.c_str());
  }
};

int run(int argc, char** argv) {
  command_line::Program app{"Makes what a Cofferdam device is born with: a manufacturer's root, device identities, signed firmware."
               "\nPrivate keys are written to files of mode 0600 and never printed."
               "\nExit status: 0 done; 1 it can't be done; 2 a wrong option."};
  app.require_subcommand(1);
  RootCommand root;
  DeviceCommand device;
  SignCommand sign;
  FlashCommand flash;
  root.add_to(app);
  device.add_to(app);
  sign.add_to(app);
  flash.add_to(app);
  if (const auto ended = app.parse_or_explain(argc, argv)) return *ended;
  if (root.command.parsed()) root.run();
  if (device.command.parsed()) device.run();
  if (sign.command.parsed()) sign.run();
  if (flash.command.parsed()) flash.run();
  return 0;
}

}  // namespace
}  // namespace provision

int main(int argc, char** argv) {
  try {
    return provision::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "provision: %s\n", error.what());
    return 1;
  }
}
