#include "firmware/crypto/drbg.hpp"

#include <mbedtls/hmac_drbg.h>

#include <new>

#include "firmware/crypto/secret.hpp"

namespace crypto {
namespace {

inline constexpr std::size_t kMaxPersonalization = 256;
inline constexpr std::size_t kSeedBytes = Seed::kSamples * sizeof(std::uint64_t);

mbedtls_hmac_drbg_context* drbg_in(unsigned char* storage) {
  return std::launder(reinterpret_cast<mbedtls_hmac_drbg_context*>(storage));
}

base::Bytes bytes_of(const Seed& seed) {
  return {reinterpret_cast<const std::uint8_t*>(seed.samples().data()), kSeedBytes};
}

}  // namespace

base::Status Drbg::instantiate(const Seed& seed, base::Bytes personalization) {
  static_assert(sizeof(mbedtls_hmac_drbg_context) <= kContextSize && alignof(mbedtls_hmac_drbg_context) <= 16);
  if (personalization.size() > kMaxPersonalization) return base::Error::kTooLarge;
  wipe();
  std::array<std::uint8_t, kSeedBytes + kMaxPersonalization> material{};
  const WipeOnExit wipe_material(material);
  base::ByteWriter writer{material};
  MON_TRY(writer.put(bytes_of(seed)));
  MON_TRY(writer.put(personalization));
  mbedtls_hmac_drbg_context* context = drbg_in(context_.data());
  mbedtls_hmac_drbg_init(context);
  // No entropy callback: reseeding is reseed(), counted by requests_.
  if (mbedtls_hmac_drbg_seed_buf(context, mbedtls_md_info_from_type(MBEDTLS_MD_SHA384), material.data(),
                                 writer.size()) != 0) {
    mbedtls_hmac_drbg_free(context);
    return base::Error::kInternal;
  }
  seeded_ = true;
  return {};
}

base::Status Drbg::reseed(const Seed& seed) {
  if (!seeded_) return base::Error::kNoEntropy;
  // HMAC_DRBG_Reseed is HMAC_DRBG_Update with the new entropy (SP 800-90A 10.1.2.4).
  const base::Bytes material = bytes_of(seed);
  if (mbedtls_hmac_drbg_update(drbg_in(context_.data()), material.data(), material.size()) != 0) {
    return base::Error::kInternal;
  }
  requests_ = 0;
  return {};
}

base::Status Drbg::fill(base::MutableBytes output) {
  if (!seeded_ || requests_ >= kReseedNeeded) return base::Error::kNoEntropy;
  if (output.size() > MBEDTLS_HMAC_DRBG_MAX_REQUEST) return base::Error::kTooLarge;
  if (mbedtls_hmac_drbg_random(drbg_in(context_.data()), output.data(), output.size()) != 0) {
    crypto::wipe(output);
    return base::Error::kInternal;
  }
  ++requests_;
  return {};
}

void Drbg::wipe() {
  if (seeded_) mbedtls_hmac_drbg_free(drbg_in(context_.data()));
  wipe_object(context_);
  requests_ = 0;
  seeded_ = false;
}

}  // namespace crypto
