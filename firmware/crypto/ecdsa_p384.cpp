#include "firmware/crypto/ecdsa_p384.hpp"

#include <mbedtls/ecdsa.h>

#include <string_view>

#include "firmware/crypto/hkdf.hpp"
#include "firmware/crypto/mbedtls_guards.hpp"
#include "firmware/crypto/secret.hpp"

namespace crypto {
namespace {

base::Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Blinds the scalar multiplications against a side channel. Its output never shows in a result, so it may be
// derived from the key itself: the ROM needs no entropy source for that.
class Blinding {
 public:
  [[nodiscard]] base::Status start(base::Bytes scalar, base::Bytes message) {
    auto seed = hmac_sha384(scalar, message);
    if (!seed.ok()) return seed.error();
    const WipeOnExit wipe_seed(seed.value());
    if (mbedtls_hmac_drbg_seed_buf(&drbg_, mbedtls_md_info_from_type(MBEDTLS_MD_SHA384), seed.value().data(),
                                   seed.value().size()) != 0) {
      return base::Error::kInternal;
    }
    return {};
  }
  mbedtls_hmac_drbg_context* context() { return &drbg_; }

 private:
  HmacDrbg drbg_;
};

}  // namespace

base::Result<P384KeyPair> P384KeyPair::from_scalar(base::Bytes scalar) {
  if (scalar.size() != kP384ScalarSize) return base::Error::kInvalidArgument;
  EcGroup group;
  EcPoint point;
  Mpi d;
  Blinding blinding;
  MON_TRY(blinding.start(scalar, bytes_of("cofferdam blinding: public key")));
  if (mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_SECP384R1) != 0) return base::Error::kInternal;
  if (mbedtls_mpi_read_binary(&d, scalar.data(), scalar.size()) != 0) return base::Error::kInternal;
  if (mbedtls_ecp_check_privkey(&group, &d) != 0) return base::Error::kInvalidArgument;
  P384KeyPair pair;
  std::size_t written = 0;
  if (mbedtls_ecp_mul(&group, &point, &d, &group.G, mbedtls_hmac_drbg_random, blinding.context()) != 0 ||
      mbedtls_ecp_point_write_binary(&group, &point, MBEDTLS_ECP_PF_UNCOMPRESSED, &written, pair.public_key_.data(),
                                     pair.public_key_.size()) != 0 ||
      written != pair.public_key_.size()) {
    return base::Error::kInternal;
  }
  for (std::size_t i = 0; i < scalar.size(); ++i) pair.scalar_[i] = scalar[i];
  return pair;
}

base::Result<P384KeyPair> P384KeyPair::from_seed(const Digest& seed) {
  constexpr std::size_t kExtraBytes = 8;  // 64 bits more than n has: the bias of the reduction is below 2^-64
  auto expanded = hkdf_expand<kP384ScalarSize + kExtraBytes>(seed, bytes_of("cofferdam ecdsa p384 key"));
  if (!expanded.ok()) return expanded.error();
  const WipeOnExit wipe_expanded(expanded.value());
  EcGroup group;
  Mpi candidate, order_less_one, d;
  std::array<std::uint8_t, kP384ScalarSize> scalar{};
  const WipeOnExit wipe_scalar(scalar);
  if (mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_SECP384R1) != 0 ||
      mbedtls_mpi_read_binary(&candidate, expanded.value().data(), expanded.value().size()) != 0 ||
      mbedtls_mpi_sub_int(&order_less_one, &group.N, 1) != 0 ||
      mbedtls_mpi_mod_mpi(&d, &candidate, &order_less_one) != 0 || mbedtls_mpi_add_int(&d, &d, 1) != 0 ||
      mbedtls_mpi_write_binary(&d, scalar.data(), scalar.size()) != 0) {
    return base::Error::kInternal;
  }
  return from_scalar(scalar);
}

base::Result<P384Signature> P384KeyPair::sign(const Digest& digest) const {
  EcGroup group;
  Mpi d, r, s;
  Blinding blinding;
  MON_TRY(blinding.start(scalar_, digest));
  P384Signature signature{};
  if (mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_SECP384R1) != 0 ||
      mbedtls_mpi_read_binary(&d, scalar_.data(), scalar_.size()) != 0 ||
      mbedtls_ecdsa_sign_det_ext(&group, &r, &s, &d, digest.data(), digest.size(), MBEDTLS_MD_SHA384,
                                 mbedtls_hmac_drbg_random, blinding.context()) != 0 ||
      mbedtls_mpi_write_binary(&r, signature.data(), 48) != 0 ||
      mbedtls_mpi_write_binary(&s, signature.data() + 48, 48) != 0) {
    return base::Error::kInternal;
  }
  return signature;
}

void P384KeyPair::wipe() { wipe_object(*this); }

}  // namespace crypto
