#include "firmware/measure/handover_check.hpp"

#include <span>

namespace measure {
namespace {

constexpr std::uint64_t kFrame = 4096;

// Printable ASCII, then NUL to the end.
bool is_text(std::span<const char> text) {
  bool ended = false;
  for (const char letter : text) {
    if (letter == 0) {
      ended = true;
    } else if (ended || letter < 0x20 || letter > 0x7E) {
      return false;
    }
  }
  return true;
}

bool is_zero(const Digest& digest) {
  std::uint8_t all = 0;
  for (const std::uint8_t byte : digest) all = static_cast<std::uint8_t>(all | byte);
  return all == 0;
}

}  // namespace

base::Status validate(const Handover& handover) {
  constexpr base::Error kBad = base::Error::kInvalidArgument;
  if (handover.magic != kHandoverMagic || handover.development > 1 || handover.reserved != 0) return kBad;
  if (handover.memory_bytes == 0 || handover.memory_bytes > kMaxMemory || handover.memory_bytes % kFrame != 0) return kBad;
  if (handover.event_count > kMaxHandoverEvents) return kBad;
  for (std::uint32_t i = 0; i < handover.event_count; ++i) {
    const Event& event = handover.events[i];
    if (event.pcr >= kPlatformPcrCount || !is_text(event.name)) return kBad;
  }
  if (is_zero(handover.cdi)) return kBad;
  // Fewer would make a chain that no verifier accepts.
  if (handover.certificate_count != kMaxChainCertificates) return kBad;
  for (const Certificate& certificate : handover.chain) {
    if (certificate.size == 0 || certificate.size > kMaxCertificateSize) return kBad;
  }
  if (!is_text(handover.device_id) || handover.device_id.front() == 0 || handover.device_id.back() != 0) return kBad;
  return {};
}

}  // namespace measure
