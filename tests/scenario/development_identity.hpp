// A device identity for tests: what the ROM would have left, made with firmware/crypto from fixed seeds.
//
// Root, manufacturer, device and monitor, marked as a development identity in the handover. Always the same bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "firmware/measure/handover.hpp"

namespace support {

struct DevelopmentIdentity {
  measure::Handover handover;
  std::vector<std::uint8_t> root_certificate;  // DER; a verifier's trust anchor
};

[[nodiscard]] const DevelopmentIdentity& development_identity();
[[nodiscard]] std::vector<std::uint8_t> handover_bytes();

}  // namespace support
