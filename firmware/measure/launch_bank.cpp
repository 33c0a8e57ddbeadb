#include "firmware/measure/launch_bank.hpp"

namespace measure {
namespace {

// Registers of a fresh bank exist and are open, so these can't fail; if one did, the launch must not go on.
void extend_fresh(PcrBank& bank, std::uint32_t index, base::Bytes data) {
  if (!bank.extend(index, data).ok()) __builtin_trap();
}

void extend_text(PcrBank& bank, std::uint32_t index, std::string_view text) {
  if (text.empty()) return;
  extend_fresh(bank, index, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

}  // namespace

PcrBank launch_bank(const LaunchMeasurement& measurement, LaunchMode mode) {
  PcrBank bank;
  switch (mode) {
    case LaunchMode::kProduction:
      extend_fresh(bank, 0, measurement.image);
      extend_fresh(bank, 1, measurement.boot);
      extend_fresh(bank, 2, measurement.application);
      if (measurement.signer) extend_fresh(bank, 8, *measurement.signer);
      break;
    case LaunchMode::kDebug: break;
  }
  extend_text(bank, 3, measurement.role);
  extend_text(bank, 4, measurement.instance);
  if (!bank.lock_range(PcrBank::kLockedAtBoot).ok()) __builtin_trap();
  return bank;
}

Digest launch_digest(const LaunchMeasurement& measurement, LaunchMode mode) {
  crypto::Sha384 hash;
  hash.update(measurement.image);
  hash.update(measurement.boot);
  hash.update(measurement.application);
  hash.update(measurement.signer.value_or(Digest{}));
  const std::array<std::uint8_t, 1> mode_byte{mode == LaunchMode::kDebug ? std::uint8_t{1} : std::uint8_t{0}};
  hash.update(mode_byte);
  return hash.finish();
}

}  // namespace measure
