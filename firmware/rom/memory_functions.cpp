// memset and memcpy. mbedTLS calls memset through a pointer to erase secrets, the ROM's code pages are guarded (BTI), and
// the C library's own has no landing pad; both of its take a byte at a time, and the ROM copies and erases megabytes.
// Compiled with -mno-strict-align (the ROM's memory is Normal, alignment checks are off: reset.S), and with
// -fno-tree-loop-distribute-patterns, so that no loop becomes a call of itself.
#include <cstddef>
#include <cstdint>

namespace {

using Word = std::uint64_t;
// A word wherever it lies, of whatever type its bytes are.
struct [[gnu::packed, gnu::may_alias]] AnyWord {
  Word value;
};

}  // namespace

extern "C" void* memset(void* memory, int value, std::size_t size) {
  auto* byte = static_cast<std::uint8_t*>(memory);
  const Word word = Word{static_cast<std::uint8_t>(value)} * 0x0101010101010101;
  std::size_t i = 0;
  for (; size - i >= sizeof word; i += sizeof word) reinterpret_cast<AnyWord*>(byte + i)->value = word;
  for (; i < size; ++i) byte[i] = static_cast<std::uint8_t>(value);
  return memory;
}

extern "C" void* memcpy(void* __restrict to, const void* __restrict from, std::size_t size) {
  auto* target = static_cast<std::uint8_t*>(to);
  const auto* source = static_cast<const std::uint8_t*>(from);
  std::size_t i = 0;
  for (; size - i >= sizeof(Word); i += sizeof(Word)) {
    reinterpret_cast<AnyWord*>(target + i)->value = reinterpret_cast<const AnyWord*>(source + i)->value;
  }
  for (; i < size; ++i) target[i] = source[i];
  return to;
}
