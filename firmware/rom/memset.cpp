// memset with a landing pad. mbedTLS calls it through a pointer to erase secrets, the ROM's code pages are guarded
// (BTI), and the C library's own one has no BTI instruction. Built with -fno-tree-loop-distribute-patterns, so that the
// loop does not become a call of itself.
#include <cstddef>
#include <cstdint>

extern "C" void* memset(void* memory, int value, std::size_t size) {
  auto* byte = static_cast<std::uint8_t*>(memory);
  for (std::size_t i = 0; i < size; ++i) byte[i] = static_cast<std::uint8_t>(value);
  return memory;
}
