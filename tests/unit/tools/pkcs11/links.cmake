# The headers that tools/pkcs11 keeps to itself: module.hpp names them.
add_library(pkcs11_headers INTERFACE)
target_include_directories(pkcs11_headers SYSTEM INTERFACE ${COFFERDAM_P11_HEADERS})
list(APPEND area_libraries pkcs11_headers)
