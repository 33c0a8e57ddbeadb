// An enclave's secret that nobody else has: a word that follows from a seed, held in memory, in registers and in FP registers.
//
//   canary hold SEED [MIB]   fills MIB (8) of memory with it, and every register of every core, without end
//   canary show SEED         prints it: shared on purpose
//
// Whoever searches for it (guests/parent/attack/canary_search.cpp) is given it masked, and never has it in memory.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

// Two rounds of splitmix64's mixing: tests/qemu/linux/canary.py computes the same.
std::uint64_t canary_of(std::uint64_t seed) {
  std::uint64_t word = seed;
  for (int round = 0; round < 2; ++round) {
    word += 0x9E3779B97F4A7C15ULL;
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9ULL;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBULL;
    word ^= word >> 31;
  }
  return word;
}

[[noreturn]] void hold_in_registers([[maybe_unused]] std::uint64_t word) {
#ifdef __aarch64__
  register std::uint64_t x0 asm("x0") = word;
  asm volatile(
      ".irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,19,20,21,22,23,24,25,26,27,28\n"
      "mov x\\n, x0\n"
      ".endr\n"
      ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
      "dup v\\n\\().2d, x0\n"
      ".endr\n"
      "1: yield\n"
      "b 1b\n"
      :
      : "r"(x0)
      : "memory");
#endif
  for (;;) ::pause();
}

int hold(std::uint64_t word, std::uint64_t mib) {
  const std::uint64_t size = mib << 20;
  auto* const memory = static_cast<std::uint64_t*>(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (memory == MAP_FAILED) return std::perror("canary"), 1;
  for (std::uint64_t index = 0; index < size / sizeof word; ++index) memory[index] = word;
  std::printf("canary: held in %llu MiB and in the registers\n", static_cast<unsigned long long>(mib));
  std::fflush(stdout);
  for (long core = ::sysconf(_SC_NPROCESSORS_ONLN); core > 1; --core) {
    if (::fork() == 0) break;
  }
  hold_in_registers(word);
}

}  // namespace

int main(int count, char** words) {
  const std::string_view verb = count > 2 ? words[1] : "";
  const std::uint64_t word = count > 2 ? canary_of(std::strtoull(words[2], nullptr, 0)) : 0;
  if (verb == "hold") return hold(word, count > 3 ? std::strtoull(words[3], nullptr, 0) : 8);
  if (verb == "show") {
    for (int copy = 0; copy < 64; ++copy) std::fwrite(&word, sizeof word, 1, stdout);
    return 0;
  }
  std::fprintf(stderr, "usage: canary hold SEED [MIB] | canary show SEED\n");
  return 2;
}
