// What the compiler calls for __builtin_popcountll where SIMD is off. libgcc's own counts in v0, which is a guest's.
#include <cstdint>

extern "C" int __popcountdi2(std::uint64_t value) {
  int count = 0;
  for (; value != 0; value &= value - 1) ++count;  // as many rounds as bits: cores of a machine
  return count;
}
