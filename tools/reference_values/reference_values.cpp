#include "tools/reference_values/reference_values.hpp"

#include <algorithm>

#include "firmware/crypto/sha384.hpp"
#include "firmware/rom/layout.hpp"

namespace reference_values {
namespace {

constexpr std::uint8_t kErased = 0xff;

measure::Digest extended(const measure::Digest& event) {
  crypto::Sha384 hash;
  hash.update(measure::Digest{});
  hash.update(event);
  return hash.finish();
}

}  // namespace

ReferenceValues compute(const BuiltFiles& files) {
  if (files.rom.empty() || files.rom.size() > rom::layout::kCodeSize) {
    throw provision::ProvisionError("the ROM has " + std::to_string(files.rom.size()) + " bytes; 1 to " +
                                    std::to_string(rom::layout::kCodeSize) + " fit its flash");
  }
  if (files.monitor.empty() || files.monitor.size() > rom::layout::kMaxImageSize) {
    throw provision::ProvisionError("the monitor has " + std::to_string(files.monitor.size()) + " bytes; 1 to " +
                                    std::to_string(rom::layout::kMaxImageSize) + " fit a package");
  }
  provision::Bytes code = files.rom;
  code.resize(rom::layout::kCodeSize, kErased);
  provision::Bytes image = files.monitor;
  image.resize((image.size() + 15) / 16 * 16);

  measure::Manifest manifest{};
  manifest.image_digest = crypto::sha384(image);
  manifest.board_digest = files.board_digest;
  manifest.security_version = files.security_version;
  const rom::BootEvents events = rom::measure_boot(code, crypto::sha384(files.firmware_signer), manifest);

  ReferenceValues values{.security_version = files.security_version, .platform = {}};
  std::transform(events.begin(), events.end(), values.platform.begin(), [](const measure::Event& event) {
    const auto end = std::find(event.name.begin(), event.name.end(), '\0');
    return ReferenceValue{event.pcr, std::string(event.name.begin(), end), event.digest, extended(event.digest)};
  });
  return values;
}

}  // namespace reference_values
