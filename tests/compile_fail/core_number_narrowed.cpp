// A guest's 64-bit register does not become a core number without a range check.
// expect: (narrowing conversion|may change value|implicit conversion loses)
#include "firmware/base/ids.hpp"

base::CoreId core(std::uint64_t reg) {
#ifdef MISTAKE
  return base::CoreId{reg};
#else
  return base::CoreId{static_cast<std::uint8_t>(reg & 0xff)};
#endif
}
