#include "firmware/measure/dice.hpp"

#include <array>
#include <string_view>

#include "firmware/crypto/hkdf.hpp"
#include "firmware/crypto/secret.hpp"

namespace measure {
namespace {

base::Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void update_number(crypto::Sha384& hash, std::uint32_t number) {
  const std::array<std::uint8_t, 4> bytes{
      static_cast<std::uint8_t>(number), static_cast<std::uint8_t>(number >> 8),
      static_cast<std::uint8_t>(number >> 16), static_cast<std::uint8_t>(number >> 24)};
  hash.update(bytes);
}

}  // namespace

Digest digest_of(const LayerMeasurement& measurement) {
  crypto::Sha384 hash;
  hash.update(measurement.code);
  hash.update(measurement.configuration);
  update_number(hash, measurement.security_version);
  update_number(hash, measurement.development);
  return hash.finish();
}

base::Result<Digest> derive_cdi(const Digest& device_secret, const Digest& measurement) {
  return crypto::hkdf_extract(measurement, device_secret);
}

base::Result<Digest> attestation_seed(const Digest& cdi) {
  return crypto::hkdf_expand<48>(cdi, bytes_of("cofferdam attestation key"));
}

base::Result<Digest> device_key_seed(const Digest& device_secret) {
  // Extracted under a label of its own, so that no measurement can collide with it.
  auto key = crypto::hkdf_extract(bytes_of("cofferdam device key"), device_secret);
  if (!key.ok()) return key.error();
  const crypto::WipeOnExit wipe_key(key.value());
  return crypto::hkdf_expand<48>(key.value(), bytes_of("cofferdam device key"));
}

}  // namespace measure
