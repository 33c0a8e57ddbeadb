#include "firmware/crypto/ecdsa_verify.hpp"

#include <mbedtls/ecdsa.h>
#include <mbedtls/sha256.h>
#include <mbedtls/sha512.h>

#include <array>

#include "firmware/crypto/mbedtls_guards.hpp"

namespace crypto {
namespace {

struct AnyDigest {
  std::array<std::uint8_t, 64> bytes{};
  std::size_t size{};
};

base::Result<AnyDigest> digest_sha256(std::initializer_list<base::Bytes> parts) {
  AnyDigest digest{{}, 32};
  mbedtls_sha256_context context;
  mbedtls_sha256_init(&context);
  int result = mbedtls_sha256_starts(&context, 0);
  for (const base::Bytes part : parts) {
    if (result == 0) result = mbedtls_sha256_update(&context, part.data(), part.size());
  }
  if (result == 0) result = mbedtls_sha256_finish(&context, digest.bytes.data());
  mbedtls_sha256_free(&context);
  if (result != 0) return base::Error::kInternal;
  return digest;
}

base::Result<AnyDigest> digest_sha512(std::initializer_list<base::Bytes> parts) {
  AnyDigest digest{{}, 64};
  mbedtls_sha512_context context;
  mbedtls_sha512_init(&context);
  int result = mbedtls_sha512_starts(&context, 0);
  for (const base::Bytes part : parts) {
    if (result == 0) result = mbedtls_sha512_update(&context, part.data(), part.size());
  }
  if (result == 0) result = mbedtls_sha512_finish(&context, digest.bytes.data());
  mbedtls_sha512_free(&context);
  if (result != 0) return base::Error::kInternal;
  return digest;
}

base::Result<AnyDigest> digest_sha384(std::initializer_list<base::Bytes> parts) {
  Sha384 hash;
  for (const base::Bytes part : parts) hash.update(part);
  const Digest value = hash.finish();
  AnyDigest digest{{}, value.size()};
  for (std::size_t i = 0; i < value.size(); ++i) digest.bytes[i] = value[i];
  return digest;
}

base::Result<AnyDigest> digest_of(Hash hash, std::initializer_list<base::Bytes> parts) {
  switch (hash) {
    case Hash::kSha256: return digest_sha256(parts);
    case Hash::kSha384: return digest_sha384(parts);
    case Hash::kSha512: return digest_sha512(parts);
  }
  return base::Error::kInvalidArgument;
}

mbedtls_ecp_group_id group_of(Curve curve) {
  switch (curve) {
    case Curve::kP256: return MBEDTLS_ECP_DP_SECP256R1;
    case Curve::kP384: return MBEDTLS_ECP_DP_SECP384R1;
    case Curve::kP521: return MBEDTLS_ECP_DP_SECP521R1;
  }
  return MBEDTLS_ECP_DP_NONE;
}

bool out_of_memory(int result) {
  return result == MBEDTLS_ERR_MPI_ALLOC_FAILED || result == MBEDTLS_ERR_ECP_ALLOC_FAILED;
}

base::Status verify_digest(Curve curve, base::Bytes point, base::Bytes digest, base::Bytes signature) {
  const std::size_t size = coordinate_size(curve);
  if (point.size() != 1 + 2 * size || point[0] != 0x04 || signature.size() != 2 * size) {
    return base::Error::kInvalidArgument;
  }
  EcGroup group;
  EcPoint key;
  Mpi r, s;
  if (mbedtls_ecp_group_load(&group, group_of(curve)) != 0) return base::Error::kInternal;
  if (mbedtls_ecp_point_read_binary(&group, &key, point.data(), point.size()) != 0 ||
      mbedtls_mpi_read_binary(&r, signature.data(), size) != 0 ||
      mbedtls_mpi_read_binary(&s, signature.data() + size, size) != 0) {
    return base::Error::kInternal;
  }
  // Coordinates below p and on the curve; the point at infinity has no uncompressed form.
  const int on_curve = mbedtls_ecp_check_pubkey(&group, &key);
  if (out_of_memory(on_curve)) return base::Error::kInternal;
  if (on_curve != 0) return base::Error::kInvalidArgument;
  const int result = mbedtls_ecdsa_verify(&group, digest.data(), digest.size(), &key, &r, &s);
  if (out_of_memory(result)) return base::Error::kInternal;
  if (result != 0) return base::Error::kBadSignature;
  return {};
}

}  // namespace

base::Status verify(Curve curve, Hash hash, base::Bytes point, std::initializer_list<base::Bytes> message_parts,
                    base::Bytes signature) {
  MON_TRY_ASSIGN(const AnyDigest digest, digest_of(hash, message_parts));
  return verify_digest(curve, point, base::Bytes{digest.bytes}.first(digest.size), signature);
}

base::Status verify_p384(const P384PublicKey& key, const Digest& digest, const P384Signature& signature) {
  return verify_digest(Curve::kP384, key, digest, signature);
}

}  // namespace crypto
