// A device identity for tests: what the ROM would have left, made with firmware/crypto from fixed seeds.
//
// Root, manufacturer, device and monitor, marked as a development identity in the handover. Always the same bytes for
// the same board.
#pragma once

#include <cstdint>
#include <vector>

#include "firmware/measure/handover.hpp"

namespace support {

struct DevelopmentIdentity {
  measure::Handover handover;
  std::vector<std::uint8_t> root_certificate;  // DER; a verifier's trust anchor
};

// `board`: the digest of the board description that the monitor is built with.
[[nodiscard]] DevelopmentIdentity development_identity(const measure::Digest& board);
[[nodiscard]] std::vector<std::uint8_t> handover_bytes(const measure::Digest& board);

}  // namespace support
