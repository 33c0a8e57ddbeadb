// mbedTLS's numbers, points and groups as objects that free (and erase) themselves. Only for firmware/crypto's .cpp files.
#pragma once

#include <mbedtls/bignum.h>
#include <mbedtls/ecp.h>
#include <mbedtls/hmac_drbg.h>

namespace crypto {

struct Mpi : mbedtls_mpi {
  Mpi() { mbedtls_mpi_init(this); }
  ~Mpi() { mbedtls_mpi_free(this); }
  Mpi(const Mpi&) = delete;
  Mpi& operator=(const Mpi&) = delete;
};

struct EcPoint : mbedtls_ecp_point {
  EcPoint() { mbedtls_ecp_point_init(this); }
  ~EcPoint() { mbedtls_ecp_point_free(this); }
  EcPoint(const EcPoint&) = delete;
  EcPoint& operator=(const EcPoint&) = delete;
};

struct EcGroup : mbedtls_ecp_group {
  EcGroup() { mbedtls_ecp_group_init(this); }
  ~EcGroup() { mbedtls_ecp_group_free(this); }
  EcGroup(const EcGroup&) = delete;
  EcGroup& operator=(const EcGroup&) = delete;
};

struct HmacDrbg : mbedtls_hmac_drbg_context {
  HmacDrbg() { mbedtls_hmac_drbg_init(this); }
  ~HmacDrbg() { mbedtls_hmac_drbg_free(this); }
  HmacDrbg(const HmacDrbg&) = delete;
  HmacDrbg& operator=(const HmacDrbg&) = delete;
};

}  // namespace crypto
