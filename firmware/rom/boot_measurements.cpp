#include "firmware/rom/boot_measurements.hpp"

#include <algorithm>
#include <string_view>

#include "firmware/crypto/sha384.hpp"

namespace rom {
namespace {

measure::Event make_event(measure::PlatformPcr pcr, std::string_view name, const measure::Digest& digest) {
  measure::Event event{};
  event.pcr = static_cast<std::uint32_t>(pcr);
  std::copy(name.begin(), name.end(), event.name.begin());
  event.digest = digest;
  return event;
}

}  // namespace

BootEvents measure_boot(base::Bytes code, const measure::Digest& signer_digest, const measure::Manifest& manifest) {
  crypto::Sha384 rom;
  rom.update(code);
  rom.update(signer_digest);

  std::array<std::uint8_t, 4> version{};
  for (std::size_t i = 0; i < version.size(); ++i) {
    version[i] = static_cast<std::uint8_t>(manifest.security_version >> (8 * i));
  }
  crypto::Sha384 monitor;
  monitor.update(manifest.image_digest);
  monitor.update(version);

  return {make_event(measure::PlatformPcr::kRom, "rom", rom.finish()),
          make_event(measure::PlatformPcr::kMonitor, "monitor", monitor.finish()),
          make_event(measure::PlatformPcr::kBoard, "board", manifest.board_digest)};
}

}  // namespace rom
