// What the compiler calls: a bare guest has no C library.
#include <cstddef>
#include <cstdint>

extern "C" {

void* memcpy(void* to, const void* from, std::size_t size) {
  auto* target = static_cast<std::uint8_t*>(to);
  const auto* source = static_cast<const std::uint8_t*>(from);
  for (; size >= 8; size -= 8, target += 8, source += 8) {
    std::uint64_t word = 0;
    asm volatile("ldr %0, [%1]; str %0, [%2]" : "=&r"(word) : "r"(source), "r"(target) : "memory");
  }
  for (; size != 0; --size) *target++ = *source++;
  return to;
}

void* memset(void* to, int value, std::size_t size) {
  auto* target = static_cast<std::uint8_t*>(to);
  for (; size != 0; --size) *target++ = static_cast<std::uint8_t>(value);
  return to;
}

void* memmove(void* to, const void* from, std::size_t size) {
  if (to <= from) return memcpy(to, from, size);
  auto* target = static_cast<std::uint8_t*>(to) + size;
  const auto* source = static_cast<const std::uint8_t*>(from) + size;
  for (; size != 0; --size) *--target = *--source;
  return to;
}

int memcmp(const void* left, const void* right, std::size_t size) {
  const auto* a = static_cast<const std::uint8_t*>(left);
  const auto* b = static_cast<const std::uint8_t*>(right);
  for (; size != 0; --size, ++a, ++b) {
    if (*a != *b) return *a - *b;
  }
  return 0;
}

std::size_t strlen(const char* text) {
  std::size_t size = 0;
  while (text[size] != 0) ++size;
  return size;
}

}  // extern "C"
