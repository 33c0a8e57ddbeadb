#include "firmware/crypto/secret.hpp"

#include <mbedtls/platform_util.h>
extern "C" {  // this one header of mbedTLS does not say so itself
#include <mbedtls/constant_time.h>
}

namespace crypto {

void wipe(base::MutableBytes secret) { mbedtls_platform_zeroize(secret.data(), secret.size()); }

bool equal_constant_time(base::Bytes a, base::Bytes b) {
  return a.size() == b.size() && mbedtls_ct_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace crypto
