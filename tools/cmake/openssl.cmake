include_guard(GLOBAL)
# OpenSSL for the programs around the monitor (docs/decisions/0024):
#   openssl_for_cofferdam   used by tools/cryptography and tools/https only
# On the host Debian's libssl-dev; for the guests its arm64 package, unpacked by tools/x/lib/guest_packages.bash, static.
add_library(openssl_for_cofferdam INTERFACE)
if(COFFERDAM_MACHINE STREQUAL guest-linux)
  set(COFFERDAM_GUEST_OPENSSL ${CMAKE_SOURCE_DIR}/build/guest-openssl CACHE PATH "libssl-dev for arm64, unpacked")
  if(NOT EXISTS ${COFFERDAM_GUEST_OPENSSL}/usr/lib/aarch64-linux-gnu/libssl.a)
    message(FATAL_ERROR "${COFFERDAM_GUEST_OPENSSL} has no libssl.a for arm64: ./x test qemu and ./x run lay it there.")
  endif()
  target_include_directories(openssl_for_cofferdam SYSTEM INTERFACE
    ${COFFERDAM_GUEST_OPENSSL}/usr/include/aarch64-linux-gnu ${COFFERDAM_GUEST_OPENSSL}/usr/include)
  target_link_libraries(openssl_for_cofferdam INTERFACE
    ${COFFERDAM_GUEST_OPENSSL}/usr/lib/aarch64-linux-gnu/libssl.a
    ${COFFERDAM_GUEST_OPENSSL}/usr/lib/aarch64-linux-gnu/libcrypto.a)
else()
  find_package(OpenSSL 3.0)
  if(NOT OPENSSL_FOUND)
    message(FATAL_ERROR "OpenSSL 3 is missing. Run ./x setup (package libssl-dev).")
  endif()
  target_link_libraries(openssl_for_cofferdam INTERFACE OpenSSL::SSL OpenSSL::Crypto)
endif()
find_package(Threads REQUIRED)
target_link_libraries(openssl_for_cofferdam INTERFACE Threads::Threads)
