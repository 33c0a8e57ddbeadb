#include "firmware/crypto/hkdf.hpp"

#include <mbedtls/hkdf.h>
#include <mbedtls/md.h>

namespace crypto {
namespace {

// mbedTLS takes no null pointers for empty strings.
constexpr unsigned char kEmpty[1] = {0};
const unsigned char* pointer(base::Bytes bytes) { return bytes.empty() ? kEmpty : bytes.data(); }

const mbedtls_md_info_t* sha384_info() { return mbedtls_md_info_from_type(MBEDTLS_MD_SHA384); }

}  // namespace

base::Result<Digest> hmac_sha384(base::Bytes key, base::Bytes data) {
  Digest digest{};
  if (mbedtls_md_hmac(sha384_info(), pointer(key), key.size(), pointer(data), data.size(), digest.data()) != 0) {
    return base::Error::kInternal;
  }
  return digest;
}

base::Result<Digest> hkdf_extract(base::Bytes salt, base::Bytes input_key) {
  Digest key{};
  if (mbedtls_hkdf_extract(sha384_info(), pointer(salt), salt.size(), pointer(input_key), input_key.size(),
                           key.data()) != 0) {
    return base::Error::kInternal;
  }
  return key;
}

base::Status hkdf_expand_into(base::MutableBytes output, const Digest& pseudorandom_key, base::Bytes info) {
  if (mbedtls_hkdf_expand(sha384_info(), pseudorandom_key.data(), pseudorandom_key.size(), pointer(info), info.size(),
                          output.data(), output.size()) != 0) {
    return base::Error::kInternal;
  }
  return {};
}

}  // namespace crypto
