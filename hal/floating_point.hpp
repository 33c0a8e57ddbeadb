// Cryptography uses SIMD registers; the guest's contents survive it.
#pragma once

namespace hal {

// While one exists, this core may use FP/SIMD registers; the guest's, SVE's included, are saved at construction, and at
// destruction the monitor's values are gone and the guest's are back. Not nested.
class FloatingPointScope {
 public:
  FloatingPointScope();
  ~FloatingPointScope();
  FloatingPointScope(const FloatingPointScope&) = delete;
  FloatingPointScope& operator=(const FloatingPointScope&) = delete;
};

}  // namespace hal
