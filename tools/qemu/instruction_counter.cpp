// A plugin of QEMU (docs/devel/tcg-plugins of QEMU): how many instructions each core has executed, by where they lie, in a file that
// another program may map and read while the machine runs. Each core writes numbers of its own only. Cores need threads of their
// own: where one thread runs all (-icount), QEMU 10 names the core that translated a block for the one that executes it.
//
//   -plugin file=instruction_counter.so,counts=FILE     FILE: kCores * kPlaces numbers of 64 bits
//
// QEMU's header is in no package, so what is used of the interface is declared here (version 1 and 2, QEMU 8.1 and later).
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

#ifndef COFFERDAM_PLUGIN_VERSION
#error the caller names the version of the interface that QEMU has
#endif

extern "C" {
struct qemu_plugin_tb;
struct qemu_info_t;
using TranslationCallback = void (*)(std::uint64_t id, qemu_plugin_tb* block);
using ExecutionCallback = void (*)(unsigned core, void* data);
void qemu_plugin_register_vcpu_tb_trans_cb(std::uint64_t id, TranslationCallback callback);
void qemu_plugin_register_vcpu_tb_exec_cb(qemu_plugin_tb* block, ExecutionCallback callback, int flags, void* data);
std::size_t qemu_plugin_tb_n_insns(const qemu_plugin_tb* block);
std::uint64_t qemu_plugin_tb_vaddr(const qemu_plugin_tb* block);
[[gnu::visibility("default")]] extern const int qemu_plugin_version = COFFERDAM_PLUGIN_VERSION;
}

namespace {

constexpr unsigned kCores = 8, kPlaces = 3;
constexpr unsigned kProgram = 0, kKernel = 1, kMonitor = 2;
// The monitor runs where its image lies (boards/qemu-virt/board.xml); nothing of ours is linked to there.
constexpr std::uint64_t kMonitorBegin = 0x4000'0000, kMonitorEnd = 0x4400'0000, kUpperHalf = std::uint64_t{1} << 63;
constexpr int kNoRegisters = 0;  // QEMU_PLUGIN_CB_NO_REGS

std::uint64_t* counts;

unsigned place_of(std::uint64_t address) {
  if ((address & kUpperHalf) != 0) return kKernel;
  return address >= kMonitorBegin && address < kMonitorEnd ? kMonitor : kProgram;
}

void executed(unsigned core, void* data) {
  const auto packed = reinterpret_cast<std::uintptr_t>(data);
  if (core < kCores) counts[core * kPlaces + (packed & 3)] += packed >> 2;
}

void translated(std::uint64_t /*id*/, qemu_plugin_tb* block) {
  const std::uintptr_t packed = qemu_plugin_tb_n_insns(block) << 2 | place_of(qemu_plugin_tb_vaddr(block));
  qemu_plugin_register_vcpu_tb_exec_cb(block, executed, kNoRegisters, reinterpret_cast<void*>(packed));
}

}  // namespace

extern "C" [[gnu::visibility("default")]] int qemu_plugin_install(std::uint64_t id, const qemu_info_t* /*machine*/, int count, char** arguments) {
  constexpr const char* kName = "counts=";
  if (count != 1 || std::strncmp(arguments[0], kName, std::strlen(kName)) != 0) return 1;
  const int file = ::open(arguments[0] + std::strlen(kName), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  constexpr std::size_t kSize = kCores * kPlaces * sizeof(std::uint64_t);
  if (file < 0 || ::ftruncate(file, kSize) != 0) return 1;
  void* const memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (memory == MAP_FAILED) return 1;
  counts = static_cast<std::uint64_t*>(memory);
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  return 0;
}
