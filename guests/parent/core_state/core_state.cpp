// What a program under Linux keeps in registers that a monitor could lose: vectors, predicates, signed pointers.
//
//   core-state hold SECONDS   one process on each core: fills z0-z31, p0-p15 and FFR (v0-v31 without SVE), runs a while without a call,
//                             looks; and signs pointers and accepts them again. Prints HELD cores rounds bytes-lost pointers-lost vector-bytes
//   core-state sign           prints what this process's keys make of one pointer
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>

namespace {

constexpr unsigned long kSve = 1UL << 22, kPaca = 1UL << 30;  // AT_HWCAP, Linux arch/arm64/include/uapi/asm/hwcap.h
constexpr std::uint64_t kPointer = 0x4444'0000, kModifier = 0x77;

struct Registers {
  std::array<std::uint8_t, 32 * std::size_t{256}> vectors;
  std::array<std::uint8_t, 17 * std::size_t{32}> predicates;
};
struct Result {
  std::uint64_t rounds, lost, pointers, bytes;
};

bool has(unsigned long capability) { return (::getauxval(AT_HWCAP) & capability) != 0; }

#define NUMBERS "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"
#define MORE "16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31"
// No call in between: Linux keeps vectors across interrupts, and across calls their low 128 bits only.
void spin_with_vectors(const Registers& in, Registers& out, std::uint64_t rounds) {
  asm volatile(".arch armv8.5-a+sve\n"
               ".irp n, " NUMBERS "," MORE "\n ldr z\\n, [%1, #\\n, mul vl]\n.endr\n"
               " ldr p0, [%2, #16, mul vl]\n wrffr p0.b\n"
               ".irp n, " NUMBERS "\n ldr p\\n, [%2, #\\n, mul vl]\n.endr\n"
               "1: subs %0, %0, #1\n b.ne 1b\n"
               ".irp n, " NUMBERS "," MORE "\n str z\\n, [%3, #\\n, mul vl]\n.endr\n"
               ".irp n, " NUMBERS "\n str p\\n, [%4, #\\n, mul vl]\n.endr\n"
               " rdffr p0.b\n str p0, [%4, #16, mul vl]\n"
               : "+r"(rounds)
               : "r"(in.vectors.data()), "r"(in.predicates.data()), "r"(out.vectors.data()), "r"(out.predicates.data())
               : "memory", "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16",
                 "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
}
#undef NUMBERS
#undef MORE

std::array<std::uint64_t, 5> sign() {
  std::uint64_t ia = kPointer, ib = kPointer, da = kPointer, db = kPointer, ga = 0;
  asm volatile(".arch armv8.5-a\n pacia %0, %5\n pacib %1, %5\n pacda %2, %5\n pacdb %3, %5\n pacga %4, %6, %5"
               : "+r"(ia), "+r"(ib), "+r"(da), "+r"(db), "=&r"(ga) : "r"(kModifier), "r"(kPointer));
  return {ia, ib, da, db, ga};
}

std::uint64_t vector_bytes() {
  std::uint64_t bytes = 0;
  asm volatile(".arch armv8.5-a+sve\n rdvl %0, #1" : "=r"(bytes));
  return bytes;
}

void hold_on(int core, std::time_t end, Result& result) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  ::sched_setaffinity(0, sizeof set, &set);
  static Registers in, out;
  if (has(kSve)) {
    ::prctl(PR_SVE_SET_VL, 256);  // or the longest there is
    result.bytes = vector_bytes();
  }
  const std::uint64_t bytes = result.bytes;
  const auto pointers = has(kPaca) ? sign() : std::array<std::uint64_t, 5>{};
  std::uint64_t word = static_cast<std::uint64_t>(core) + 1;
  const auto next = [&word] { return static_cast<std::uint8_t>((word = word * 0x5851'F42D'4C95'7F2D + 1) >> 56); };
  while (std::time(nullptr) < end) {
    if (bytes != 0) {
      for (auto& byte : in.vectors) byte = next();
      for (std::uint64_t i = 0; i < 16 * bytes / 8; ++i) in.predicates[i] = next();
      for (std::uint64_t i = 0; i < bytes / 8; ++i) in.predicates[16 * bytes / 8 + i] = i == 0 ? 0x1F : 0;
      spin_with_vectors(in, out, 20'000'000);
      for (std::uint64_t i = 0; i < 32 * bytes; ++i) result.lost += in.vectors[i] != out.vectors[i];
      for (std::uint64_t i = 0; i < 17 * bytes / 8; ++i) result.lost += in.predicates[i] != out.predicates[i];
    }
    if (has(kPaca)) result.pointers += sign() != pointers;
    ++result.rounds;
  }
}

int hold(long seconds) {
  const long cores = ::sysconf(_SC_NPROCESSORS_ONLN);
  auto* const results = static_cast<Result*>(
      ::mmap(nullptr, sizeof(Result) * static_cast<std::size_t>(cores), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (results == MAP_FAILED) return std::perror("core-state"), 1;
  const std::time_t end = std::time(nullptr) + seconds;
  for (int core = 0; core < cores; ++core) {
    if (::fork() != 0) continue;
    hold_on(core, end, results[core]);
    ::_exit(0);
  }
  int failed = 0, status = 0;
  while (::wait(&status) > 0) failed += status != 0;
  Result sum{~std::uint64_t{0}, 0, 0, 0};
  for (int core = 0; core < cores; ++core) {
    sum.rounds = results[core].rounds < sum.rounds ? results[core].rounds : sum.rounds;
    sum.lost += results[core].lost;
    sum.pointers += results[core].pointers;
    sum.bytes = results[core].bytes;
  }
  std::printf("HELD %ld %llu %llu %llu %llu\n", cores, static_cast<unsigned long long>(sum.rounds), static_cast<unsigned long long>(sum.lost),
              static_cast<unsigned long long>(sum.pointers), static_cast<unsigned long long>(sum.bytes));
  return failed != 0;
}

}  // namespace

int main(int count, char** words) {
  const std::string_view verb = count > 1 ? words[1] : "";
  if (verb == "hold" && count > 2) return hold(std::strtol(words[2], nullptr, 10));
  if (verb == "sign" && has(kPaca)) {
    const auto made = sign();
    std::printf("SIGNED %llx\n", static_cast<unsigned long long>(made[4]));
    return 0;
  }
  std::fprintf(stderr, "usage: core-state hold SECONDS | core-state sign (where there is pointer authentication)\n");
  return 2;
}
