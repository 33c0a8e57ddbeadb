// A loaded PKCS#11 module: one for each path and process, shared by all tokens that use it. For the files of this folder only.
#pragma once

#include <p11-kit/pkcs11.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <string>

#include "tools/pkcs11/token.hpp"

namespace pkcs11 {

// "CKR_PIN_INCORRECT", or the number.
[[nodiscard]] std::string error_name(CK_RV value);

// The given one, or SoftHSM's where a distribution has it.
[[nodiscard]] std::string module_path(const std::string& given);

// A call into the module that failed.
class CallError : public TokenError {
 public:
  CallError(const char* function, CK_RV value);
  const CK_RV value;
};
inline void demand(CK_RV value, const char* function) {
  if (value != CKR_OK) throw CallError(function, value);
}

class Module {
 public:
  // Loads and initialises, or gives the one that is loaded. Throws TokenError.
  [[nodiscard]] static std::shared_ptr<Module> at(const std::string& path);
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  [[nodiscard]] CK_FUNCTION_LIST& functions() const { return *functions_; }
  // Held while calls run; what epoch() gives then stays. Throws CallError (CKR_CRYPTOKI_NOT_INITIALIZED) after a restart that failed.
  [[nodiscard]] std::shared_lock<std::shared_timed_mutex> use();
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }  // handles of another epoch mean nothing any more
  // Finalises and initialises anew: modules look for tokens only then. At most once for each epoch and each 200 ms; false: it wasn't
  // done, and nobody else did it. Throws CallError when the module can't be initialised: the next restart tries it again. Nothing of
  // `use` may be held.
  bool restart(std::uint64_t seen);

 private:
  explicit Module(const std::string& path);
  void initialise();

  void* library_{};
  CK_FUNCTION_LIST* functions_{};
  std::shared_timed_mutex lock_;
  std::uint64_t epoch_{1};
  bool initialised_{false};
  std::chrono::steady_clock::time_point restarted_{};
};

}  // namespace pkcs11
