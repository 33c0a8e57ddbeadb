# The two libraries that come as source: mbedTLS 3.6 LTS (all cryptography) and libcbor (CBOR). `./x setup` unpacks
# them, pinned by sha256, into COFFERDAM_THIRD_PARTY; nothing of them is committed.
#   mbedtls_for_cofferdam   used by firmware/crypto (and by a host tool's single wrapper)
#   cbor_for_cofferdam      used by firmware/attestation/cbor.cpp (and by a host tool's single wrapper)
# Both are compiled without our warnings, for the host and for the freestanding target alike.
set(cofferdam_mbedtls ${COFFERDAM_THIRD_PARTY}/mbedtls)
set(cofferdam_libcbor ${COFFERDAM_THIRD_PARTY}/libcbor)
include(pinned)
cofferdam_pinned(mbedtls library/sha512.c)
cofferdam_pinned(libcbor src/cbor/streaming.c)

# SHA-512 instructions (Armv8.2 FEAT_SHA512). A Cortex-A53 or A72 has none: OFF for such a board.
set(COFFERDAM_CPU_SHA512 ON CACHE BOOL "The target's cores have the SHA-512 instructions")

# What C sources of others need on the bare machine: picolibc's headers in front of the cross compiler's own, and
# the same code generation as ours. SIMD registers are allowed: the monitor calls them inside
# hal::FloatingPointScope only.
add_library(cofferdam_freestanding_c INTERFACE)
if(COFFERDAM_MACHINE STREQUAL aarch64)
  set(COFFERDAM_PICOLIBC /usr/lib/picolibc/aarch64-linux-gnu CACHE PATH "picolibc for bare-metal AArch64")
  if(NOT EXISTS ${COFFERDAM_PICOLIBC}/include/picolibc.h)
    message(FATAL_ERROR "picolibc is missing in ${COFFERDAM_PICOLIBC}. Run ./x setup (package picolibc-aarch64-linux-gnu).")
  endif()
  # The compiler's own headers and picolibc's, and no others: the cross compiler's default path leads to glibc's, which
  # mbedTLS would find by __has_include.
  execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=include
    OUTPUT_VARIABLE compiler_headers OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  target_compile_options(cofferdam_freestanding_c INTERFACE
    -nostdinc "SHELL:-isystem ${COFFERDAM_PICOLIBC}/include" "SHELL:-isystem ${compiler_headers}"
    -ffreestanding -fno-pic -fno-pie -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections
    -mbranch-protection=standard -mstrict-align)
endif()

# ---- mbedTLS: configured by firmware/crypto/mbedtls_config.h ------------------------------------------------
set(mbedtls_modules
  asn1parse asn1write base64 bignum bignum_core bignum_mod bignum_mod_raw constant_time ecdsa ecp ecp_curves
  ecp_curves_new hkdf hmac_drbg md memory_buffer_alloc oid pem pk pk_ecc pk_wrap pkparse platform platform_util
  sha256 sha512 x509 x509_crt)
if(NOT COFFERDAM_MACHINE STREQUAL aarch64)
  list(APPEND mbedtls_modules pkwrite)
endif()
list(TRANSFORM mbedtls_modules REPLACE "(.+)" "${cofferdam_mbedtls}/library/\\1.c" OUTPUT_VARIABLE mbedtls_sources)
add_library(mbedtls_for_cofferdam STATIC ${mbedtls_sources})
target_include_directories(mbedtls_for_cofferdam SYSTEM PUBLIC ${cofferdam_mbedtls}/include)
target_include_directories(mbedtls_for_cofferdam PUBLIC ${CMAKE_SOURCE_DIR})
target_compile_definitions(mbedtls_for_cofferdam PUBLIC
  MBEDTLS_CONFIG_FILE="firmware/crypto/mbedtls_config.h"
  COFFERDAM_CRYPTO_BARE_MACHINE=$<STREQUAL:${COFFERDAM_MACHINE},aarch64>)
target_link_libraries(mbedtls_for_cofferdam PRIVATE cofferdam_freestanding_c)
# -O2 in every kind of build: -O3 adds 16 KiB of code and saves 3 % of a signature's instructions, -O0 takes seconds.
target_compile_options(mbedtls_for_cofferdam PRIVATE -w -O2 -ffile-prefix-map=${cofferdam_mbedtls}=mbedtls)
if(COFFERDAM_FUZZ)  # a path through arithmetic tells a fuzzer nothing, and counted it takes three times as long
  set(arithmetic ${mbedtls_sources})
  list(FILTER arithmetic EXCLUDE REGEX "/(asn1|oid|pem|pk|x509)[a-z_]*[.]c$")
  set_source_files_properties(${arithmetic} PROPERTIES COMPILE_OPTIONS "${COFFERDAM_NOT_FUZZED}")
endif()
if(COFFERDAM_MACHINE STREQUAL aarch64 AND COFFERDAM_CPU_SHA512)
  target_compile_definitions(mbedtls_for_cofferdam PUBLIC COFFERDAM_CPU_SHA512=1)
  target_compile_options(mbedtls_for_cofferdam PRIVATE -march=armv8.2-a+crypto+sha3)
  # A block is 16 bytes at a time from wherever it lies, not byte by byte: 40 % fewer instructions. ROM and monitor hash what is
  # Normal memory to them, with alignment checks off (reset.S, hal/registers/sctlr.hpp).
  set_source_files_properties(${cofferdam_mbedtls}/library/sha512.c PROPERTIES COMPILE_OPTIONS -mno-strict-align)
endif()

# ---- libcbor ------------------------------------------------------------------------------------------------
# The firmware uses the streaming decoder and the encoders only, neither of which allocates; host programs may
# also use the tree decoder.
set(cbor_modules callbacks encoding streaming internal/encoders internal/loaders)
if(NOT COFFERDAM_MACHINE STREQUAL aarch64)
  list(APPEND cbor_modules arrays bytestrings common floats_ctrls ints maps serialization strings tags
    internal/builder_callbacks internal/memory_utils internal/stack internal/unicode)
endif()
list(TRANSFORM cbor_modules REPLACE "(.+)" "${cofferdam_libcbor}/src/cbor/\\1.c" OUTPUT_VARIABLE cbor_sources)
if(NOT COFFERDAM_MACHINE STREQUAL aarch64)
  list(APPEND cbor_sources ${cofferdam_libcbor}/src/allocators.c ${cofferdam_libcbor}/src/cbor.c)
endif()
set(cbor_generated ${CMAKE_BINARY_DIR}/third_party/libcbor)
# What libcbor's own CMake would write for a static library.
foreach(part IN ITEMS MAJOR MINOR PATCH)
  file(STRINGS ${cofferdam_libcbor}/CMakeLists.txt CBOR_VERSION_${part} REGEX "^[Ss][Ee][Tt]\\(CBOR_VERSION_${part} ")
  string(REGEX REPLACE "[^0-9]" "" CBOR_VERSION_${part} "${CBOR_VERSION_${part}}")
endforeach()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${cofferdam_libcbor}/CMakeLists.txt)
set(CBOR_BUFFER_GROWTH 2)
set(CBOR_MAX_STACK_SIZE 32)
set(CBOR_PRETTY_PRINTER OFF)
set(CBOR_RESTRICT_SPECIFIER "")
set(CBOR_INLINE_SPECIFIER "")
configure_file(${cofferdam_libcbor}/src/cbor/configuration.h.in ${cbor_generated}/cbor/configuration.h)
file(CONFIGURE OUTPUT ${cbor_generated}/cbor/cbor_export.h CONTENT "#pragma once\n#define CBOR_EXPORT\n")
add_library(cbor_for_cofferdam STATIC ${cbor_sources})
target_include_directories(cbor_for_cofferdam SYSTEM PUBLIC ${cofferdam_libcbor}/src ${cbor_generated})
target_link_libraries(cbor_for_cofferdam PRIVATE cofferdam_freestanding_c)
target_compile_options(cbor_for_cofferdam PRIVATE -w -ffile-prefix-map=${cofferdam_libcbor}=libcbor)
set_target_properties(mbedtls_for_cofferdam cbor_for_cofferdam PROPERTIES C_STANDARD 99 C_EXTENSIONS ON UNITY_BUILD OFF)
