// From reset to the monitor, on the boot core. rom_boot_main() is the list; read it first.
#include <algorithm>
#include <optional>
#include <string_view>

#include "firmware/crypto/arena.hpp"
#include "firmware/crypto/secret.hpp"
#include "firmware/rom/boot_measurements.hpp"
#include "firmware/rom/core_park.hpp"
#include "firmware/rom/descend.hpp"
#include "firmware/rom/exceptions.hpp"
#include "firmware/rom/identity.hpp"
#include "firmware/rom/interrupt_controller.hpp"
#include "firmware/rom/layout.hpp"
#include "firmware/rom/lower_levels.hpp"
#include "firmware/rom/machine.hpp"
#include "firmware/rom/manifest_check.hpp"
#include "firmware/rom/memory_present.hpp"
#include "firmware/rom/monitor_identity.hpp"

namespace rom {
namespace {

constexpr std::uint32_t kBootCore = 0;

// Secrets live here and not on the stack, so that one place is wiped, whichever way the boot ends.
constinit ParsedIdentity device{};
constinit std::array<std::uint8_t, kManifestPageSize> manifest_page{};
constinit CheckedManifest checked{};
constinit std::uint64_t memory_bytes = 0;

void wipe_secrets() { crypto::wipe_object(device); }

[[noreturn]] void refuse(std::string_view what, std::string_view why) {
  wipe_secrets();
  machine::console_write("rom: REFUSED: ");
  machine::console_write(what);
  machine::console_write(": ");
  machine::console_write(why);
  machine::console_write("\nrom: the monitor does not run; power off\n");
  machine::power_off();
}

void say(std::string_view text) {
  machine::console_write("rom: ");
  machine::console_write(text);
  machine::console_write("\n");
}

void read_identity() {
  device = parse_identity(machine::identity_area());
  if (device.verdict != IdentityVerdict::kAccepted) refuse("identity", describe(device.verdict));
  if (device.identity.development == 1) say("identity: DEVELOPMENT, anybody may have made it");
}

void read_memory() {
  const base::Result<std::uint64_t> present = memory_present(machine::machine_tree(), layout::kRamBase);
  if (!present.ok()) refuse("memory", "the machine's device tree does not say how much there is");
  memory_bytes = *present;
  if (memory_bytes < layout::kMonitorEnd - layout::kRamBase) refuse("memory", "the machine has less than the monitor needs");
}

void read_manifest() {
  const base::Bytes page = machine::firmware_package().first(kManifestPageSize);
  std::copy(page.begin(), page.end(), manifest_page.begin());
  const ManifestPolicy policy{.load_address = layout::kMonitorLoad,
                              .max_image_size = layout::kMaxImageSize,
                              .minimum_security_version = device.identity.minimum_security_version,
                              .signer_digest = device.identity.signer_digest};
  checked = check_manifest(manifest_page, policy);
  if (checked.verdict != ManifestVerdict::kAccepted) refuse("manifest", describe(checked.verdict));
  say("manifest: signature and version accepted");
}

// The copy is what is hashed, and the copy is what runs: no other core runs yet and every device aborts.
void load_image() {
  const measure::Manifest& manifest = checked.manifest;
  const base::Bytes packaged = machine::firmware_package().subspan(kManifestPageSize, manifest.image_size);
  const base::MutableBytes image = machine::monitor_memory(manifest.load_address, manifest.image_size);
  std::copy(packaged.begin(), packaged.end(), image.begin());
  const ManifestVerdict verdict = check_image(manifest, image);
  if (verdict != ManifestVerdict::kAccepted) {
    crypto::wipe(image);
    refuse("image", describe(verdict));
  }
  machine::publish(image);
  say("image: loaded and measured");
}

void hand_over() {
  const BootEvents events = measure_boot(machine::rom_code(), device.identity.signer_digest, checked.manifest);
  base::Result<measure::Handover> handover = make_handover(device.identity, events, checked.manifest, memory_bytes);
  if (!handover.ok()) {
    refuse("identity", handover.error() == base::Error::kDenied
                           ? "the device certificate is not for the key of this device's secret"
                           : "the monitor's certificate can't be issued");
  }
  const crypto::WipeOnExit wipe{*handover};
  const base::MutableBytes place = machine::monitor_memory(layout::kHandover, sizeof(measure::Handover));
  std::copy_n(reinterpret_cast<const std::uint8_t*>(&*handover), place.size(), place.begin());
  machine::publish(place);
  say("monitor: key derived and certified");
}

}  // namespace
}  // namespace rom

extern "C" [[noreturn]] void rom_boot_main();

void rom_boot_main() {
  using namespace rom;
  // 0. reset.S: every device is in abort; the MMU is on; other cores say hello.
  machine::console_start();
  say("Cofferdam ROM at EL3");
  crypto::start_arena();
  // 1. Interrupts belong to the non-secure world; the other cores go to sleep.
  const std::uint32_t present = interrupt_controller::start();
  interrupt_controller::start_core(kBootCore);
  core_park::start(kBootCore, present);
  // 2. Who is this device, whom does it trust; how much memory has it.
  read_identity();
  read_memory();
  // 3. May this monitor run: manifest first, then the image, where it will run.
  read_manifest();
  load_image();
  // 4. What ran is measured, the next stage's secret and certificate come from it.
  hand_over();
  // 5. The device secret is gone before anything of the next stage runs.
  wipe_secrets();
  crypto::wipe_object(manifest_page);
  // 6. Down to EL2. From here on only exceptions.cpp runs.
  const measure::Manifest& manifest = checked.manifest;
  set_resident_facts({.base = manifest.load_address, .size = manifest.image_size}, present);
  say("entering the monitor at EL2");
  configure_lower_levels();
  rom_enter_monitor(layout::kHandover, manifest.entry, kBootCore);
}
