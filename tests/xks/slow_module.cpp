// A PKCS#11 module between the proxy and SoftHSM that can be told to be slow: while the file that COFFERDAM_SLOW_TOKEN names exists,
// each encryption waits as many milliseconds as it says.
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace {

CK_FUNCTION_LIST real;
CK_FUNCTION_LIST ours;

CK_RV slow_encrypt(CK_SESSION_HANDLE session, unsigned char* data, CK_ULONG size, unsigned char* out, CK_ULONG* out_size) {
  const char* path = std::getenv("COFFERDAM_SLOW_TOKEN");
  if (std::FILE* file = path == nullptr ? nullptr : std::fopen(path, "r")) {
    int milliseconds = 0;
    if (std::fscanf(file, "%d", &milliseconds) == 1) std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    std::fclose(file);
  }
  return real.C_Encrypt(session, data, size, out, out_size);
}

}  // namespace

extern "C" CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  void* library = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW | RTLD_LOCAL);
  CK_FUNCTION_LIST* functions = nullptr;
  const auto get = library == nullptr ? nullptr : reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
  if (get == nullptr || get(&functions) != CKR_OK) return CKR_GENERAL_ERROR;
  real = ours = *functions;
  ours.C_Encrypt = slow_encrypt;
  *list = &ours;
  return CKR_OK;
}
