#include "tools/pkcs11/module.hpp"

#include <dlfcn.h>

#include <cstdio>
#include <map>
#include <mutex>

namespace pkcs11 {
namespace {

constexpr const char* kSoftHsmModules[] = {"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so",
                                           "/usr/local/lib/softhsm/libsofthsm2.so"};
constexpr std::chrono::milliseconds kBetweenRestarts{200}, kLongestWait{1000};

bool exists(const char* path) {
  std::FILE* file = std::fopen(path, "rb");
  if (file != nullptr) std::fclose(file);
  return file != nullptr;
}

std::string mend_for(CK_RV value) {
  switch (value) {
    case CKR_PIN_INCORRECT: return "; the PIN is another";
    case CKR_PIN_LOCKED: return "; the PIN is locked: the security officer unlocks it";
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_DEVICE_REMOVED: return "; put the token back";
    case CKR_MECHANISM_INVALID: return "; the token has no such mechanism: AES-GCM (CKM_AES_GCM) is needed";
    default: return "";
  }
}

}  // namespace

std::string module_path(const std::string& given) {
  if (!given.empty()) return given;
  for (const char* path : kSoftHsmModules) {
    if (exists(path)) return path;
  }
  return kSoftHsmModules[0];
}

CallError::CallError(const char* function, CK_RV value_given)
    : TokenError(std::string(function) + ": " + error_name(value_given) + mend_for(value_given)), value(value_given) {}

std::shared_ptr<Module> Module::at(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<Module>> loaded;
  const std::lock_guard lock(mutex);
  std::weak_ptr<Module>& slot = loaded[path];
  std::shared_ptr<Module> module = slot.lock();
  if (!module) {
    module = std::shared_ptr<Module>(new Module(path));
    slot = module;
  }
  return module;
}

Module::Module(const std::string& path) {
  library_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library_ == nullptr) {
    throw TokenError("the PKCS#11 module " + path + " can't be loaded: " + dlerror() + " (SoftHSM's is in package softhsm2)");
  }
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library_, "C_GetFunctionList"));
  if (get == nullptr || get(&functions_) != CKR_OK || functions_ == nullptr) {
    dlclose(library_);
    throw TokenError(path + " is no PKCS#11 module: it has no C_GetFunctionList");
  }
  initialise();
}

Module::~Module() {
  if (initialised_) functions_->C_Finalize(nullptr);
  // Not unloaded: modules register exit handlers and threads of their own.
}

void Module::initialise() {
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  const CK_RV value = functions_->C_Initialize(&arguments);
  if (value != CKR_CRYPTOKI_ALREADY_INITIALIZED) demand(value, "C_Initialize");
  initialised_ = true;
}

std::shared_lock<std::shared_timed_mutex> Module::use() {
  std::shared_lock lock(lock_, kLongestWait);
  if (!lock.owns_lock()) throw TokenError("the PKCS#11 module is being started again and doesn't answer");
  // As the module itself would say it: whoever sees it starts the module anew.
  if (!initialised_) throw CallError("the PKCS#11 module", CKR_CRYPTOKI_NOT_INITIALIZED);
  return lock;
}

bool Module::restart(std::uint64_t seen) {
  const std::unique_lock lock(lock_, kLongestWait);  // a call that hangs keeps it
  if (!lock.owns_lock()) return false;
  if (initialised_ && epoch_ != seen) return true;  // somebody else did it; one that failed is tried again
  const auto now = std::chrono::steady_clock::now();
  if (now - restarted_ < kBetweenRestarts) return false;
  restarted_ = now;
  if (initialised_) functions_->C_Finalize(nullptr);
  initialised_ = false;
  ++epoch_;
  initialise();
  return true;
}

}  // namespace pkcs11
