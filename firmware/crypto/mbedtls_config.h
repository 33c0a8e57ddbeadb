/* Which parts of mbedTLS 3.6 exist in Cofferdam, on the bare machine and on the host alike.
 *
 * Needed: SHA-384 (measurement), ECDSA P-384 deterministic (identity, documents), HKDF (DICE), HMAC_DRBG (the only
 * random generator, so that no AES with cache-timing tables is needed), X.509 parsing with PEM (the certificate of
 * a signed EIF), and P-256/P-521 with SHA-256/512 because AWS's EIF signer also writes ES256 and ES512.
 * No file system, network, time, PSA or TLS: time is an argument, entropy is an argument.
 */
#ifndef COFFERDAM_FIRMWARE_CRYPTO_MBEDTLS_CONFIG_H
#define COFFERDAM_FIRMWARE_CRYPTO_MBEDTLS_CONFIG_H

/* hashes */
#define MBEDTLS_MD_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA384_C
#define MBEDTLS_SHA512_C
#ifdef COFFERDAM_CPU_SHA512
/* Not ..._IF_PRESENT: without an operating system mbedTLS can't ask, and would compile the C code silently. */
#define MBEDTLS_SHA512_USE_A64_CRYPTO_ONLY
#endif
#define MBEDTLS_HKDF_C
#define MBEDTLS_HMAC_DRBG_C
/* firmware/crypto/drbg counts requests and reseeds itself. */
#define MBEDTLS_HMAC_DRBG_RESEED_INTERVAL 0x7fffffff

/* elliptic curves */
#define MBEDTLS_HAVE_ASM
#define MBEDTLS_NO_UDBL_DIVISION /* no __udivti3 on the bare machine */
#define MBEDTLS_BIGNUM_C
#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_DP_SECP384R1_ENABLED
#define MBEDTLS_ECP_DP_SECP521R1_ENABLED
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECP_WINDOW_SIZE 4
#define MBEDTLS_ECP_FIXED_POINT_OPTIM 1
#define MBEDTLS_ECDSA_C
#define MBEDTLS_ECDSA_DETERMINISTIC
#define MBEDTLS_MPI_MAX_SIZE 160 /* bytes: twice P-521 and a little */

/* certificates */
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_BASE64_C
#define MBEDTLS_OID_C
#define MBEDTLS_PEM_PARSE_C
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C
#define MBEDTLS_X509_REMOVE_INFO

/* memory and the platform */
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_PLATFORM_MEMORY
#define MBEDTLS_MEMORY_BUFFER_ALLOC_C
#define MBEDTLS_MEMORY_ALIGN_MULTIPLE 16
#define MBEDTLS_DEPRECATED_REMOVED
#if COFFERDAM_CRYPTO_BARE_MACHINE
/* calloc answers NULL until firmware/crypto/arena has started; a corrupted arena stops the machine. */
#define MBEDTLS_PLATFORM_NO_STD_FUNCTIONS
#define MBEDTLS_NO_PLATFORM_ENTROPY
#ifdef __cplusplus
extern "C" [[noreturn]] void cofferdam_crypto_abort(int status);
#else
_Noreturn void cofferdam_crypto_abort(int status);
#endif
#define MBEDTLS_PLATFORM_EXIT_MACRO cofferdam_crypto_abort
#define MBEDTLS_PLATFORM_PRINTF_MACRO(...) ((void) 0)
#define MBEDTLS_PLATFORM_FPRINTF_MACRO(...) ((void) 0)
#define MBEDTLS_PLATFORM_SNPRINTF_MACRO(...) (-1) /* nothing here prints names or numbers */
#define MBEDTLS_TEST_SW_INET_PTON                 /* mbedTLS's own, instead of the C library's */
#else
/* for host programs that read and write keys as files */
#define MBEDTLS_PEM_WRITE_C
#define MBEDTLS_PK_WRITE_C
#endif

#endif
