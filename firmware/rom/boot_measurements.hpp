// What the ROM measures, as events of the platform's log. The same functions give the boot and the reference values.
//
//   kRom      SHA-384(the ROM's 256 KiB code region || SHA-384 of the firmware signer's public point)
//   kMonitor  SHA-384(SHA-384 of the image || security version, u32 little-endian)
//   kBoard    the board description's digest, as signed in the manifest
// Each is extended once into its PCR: PCR := SHA-384(48 zero bytes || digest).
#pragma once

#include <array>

#include "firmware/base/byte_reader.hpp"
#include "firmware/measure/handover.hpp"

namespace rom {

inline constexpr std::uint32_t kBootEvents = 3;
using BootEvents = std::array<measure::Event, kBootEvents>;

// `code` is the whole code region, layout::kCodeSize bytes with its padding. The image was checked against
// manifest.image_digest before.
[[nodiscard]] BootEvents measure_boot(base::Bytes code, const measure::Digest& signer_digest,
                                      const measure::Manifest& manifest);

}  // namespace rom
