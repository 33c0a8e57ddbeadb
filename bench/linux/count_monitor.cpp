// A plugin of QEMU: how often each instruction of the monitor is executed, core by core, between marks that guests set.
//
//   -plugin libcount_monitor.so,low=ADDRESS,high=ADDRESS,stacks=ADDRESS,stride=BYTES,out=FILE
//
// low..high is the monitor's text, which lies at the same address on every core and where nobody else's does. Which core it
// is that executes it is read off its stack: where one thread runs all cores (-icount), QEMU 10 takes the number of the core
// that translated an instruction for that of the core that executes it. A mark is kMark, executed anywhere: each appends to
// FILE, and so does the end of the run:
//   mark NUMBER
//   monitor CORE ADDRESS COUNT  how often the instruction there was executed; not counted: before a core has its stack
// All since the start. bench/linux/monitor_counts.py reads that.
//
// The declarations are those of QEMU's plugin interface, version 3 (QEMU 9.1), as its documentation "TCG Plugins" has them,
// and of GLib's arrays, which it answers with; no distribution ships the header. One thread runs all: nothing here is locked.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <string_view>

extern "C" {
struct qemu_plugin_tb;
struct qemu_plugin_insn;
using qemu_plugin_id_t = std::uint64_t;
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, qemu_plugin_tb*));
void qemu_plugin_register_vcpu_tb_exec_cb(qemu_plugin_tb*, void (*)(unsigned, void*), int flags, void*);
void qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_insn*, void (*)(unsigned, void*), int flags, void*);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void*), void*);
std::size_t qemu_plugin_tb_n_insns(const qemu_plugin_tb*);
std::uint64_t qemu_plugin_tb_vaddr(const qemu_plugin_tb*);
qemu_plugin_insn* qemu_plugin_tb_get_insn(const qemu_plugin_tb*, std::size_t);
struct qemu_plugin_register;
struct GArray {
  char* data;
  unsigned len;
};
struct GByteArray {
  std::uint8_t* data;
  unsigned len;
};
GByteArray* g_byte_array_new();
GByteArray* g_byte_array_set_size(GByteArray*, unsigned);
struct qemu_plugin_reg_descriptor {
  qemu_plugin_register* handle;
  const char* name;
  const char* feature;
};
GArray* qemu_plugin_get_registers();
int qemu_plugin_read_register(qemu_plugin_register*, GByteArray*);
std::size_t qemu_plugin_insn_data(const qemu_plugin_insn*, void*, std::size_t);
[[gnu::visibility("default")]] extern const int qemu_plugin_version = 3;
[[gnu::visibility("default")]] int qemu_plugin_install(qemu_plugin_id_t, const void* info, int count, char** words);
}

namespace {

constexpr std::uint32_t kMark = 0xD289'A97F;  // movz xzr, #0x4d4b: does nothing, and no compiler makes it
constexpr int kNoRegisters = 0;               // QEMU_PLUGIN_CB_NO_REGS
constexpr int kReadsRegisters = 1;            // QEMU_PLUGIN_CB_R_REGS
constexpr std::size_t kMostCores = 8;

using PerCore = std::array<std::uint64_t, kMostCores>;

// What QEMU translates at once is executed whole: the monitor's text faults nowhere.
struct Block {
  std::uint64_t address;
  std::uint64_t instructions;
  PerCore executed;
};

std::uint64_t g_low, g_high, g_stacks, g_stride;
qemu_plugin_register* g_stack_pointer;
GByteArray* g_value;
std::deque<Block> g_blocks;  // never moved: QEMU holds pointers
unsigned g_marks;
std::FILE* g_out;

void write_counts() {
  std::fprintf(g_out, "mark %u\n", g_marks++);
  std::map<std::uint64_t, PerCore> counts;
  for (const Block& block : g_blocks) {
    for (std::uint64_t i = 0; i < block.instructions; ++i) {
      PerCore& at = counts[block.address + 4 * i];
      for (std::size_t core = 0; core < kMostCores; ++core) at[core] += block.executed[core];
    }
  }
  for (const auto& [address, cores] : counts) {
    for (std::size_t core = 0; core < kMostCores; ++core) {
      if (cores[core] == 0) continue;
      std::fprintf(g_out, "monitor %zu %llx %llu\n", core, static_cast<unsigned long long>(address),
                   static_cast<unsigned long long>(cores[core]));
    }
  }
  std::fflush(g_out);
}

// kMostCores: none.
std::size_t core_by_stack() {
  if (g_stack_pointer == nullptr) {
    const GArray* registers = qemu_plugin_get_registers();
    const auto* each = reinterpret_cast<const qemu_plugin_reg_descriptor*>(registers->data);
    for (unsigned i = 0; i < registers->len; ++i) {
      if (std::string_view(each[i].name) == "sp") g_stack_pointer = each[i].handle;
    }
    g_value = g_byte_array_new();
  }
  std::uint64_t pointer = 0;
  g_byte_array_set_size(g_value, 0);
  if (g_stack_pointer == nullptr || qemu_plugin_read_register(g_stack_pointer, g_value) != sizeof pointer) return kMostCores;
  std::memcpy(&pointer, g_value->data, sizeof pointer);
  // A full descending stack: its first pointer is its end.
  const std::uint64_t core = (pointer - 1 - g_stacks) / g_stride;
  return pointer > g_stacks && core < kMostCores ? core : kMostCores;
}

void in_monitor(unsigned, void* block) {
  const std::size_t core = core_by_stack();
  if (core < kMostCores) ++static_cast<Block*>(block)->executed[core];
}

void marked(unsigned, void*) { write_counts(); }

void translated(qemu_plugin_id_t, qemu_plugin_tb* block) {
  const std::uint64_t address = qemu_plugin_tb_vaddr(block);
  const std::size_t count = qemu_plugin_tb_n_insns(block);
  if (address >= g_low && address < g_high) {
    g_blocks.push_back({.address = address, .instructions = count, .executed = {}});
    return qemu_plugin_register_vcpu_tb_exec_cb(block, in_monitor, kReadsRegisters, &g_blocks.back());
  }
  for (std::size_t i = 0; i < count; ++i) {
    qemu_plugin_insn* instruction = qemu_plugin_tb_get_insn(block, i);
    std::uint32_t word = 0;
    if (qemu_plugin_insn_data(instruction, &word, sizeof word) == sizeof word && word == kMark) {
      qemu_plugin_register_vcpu_insn_exec_cb(instruction, marked, kNoRegisters, nullptr);
    }
  }
}

void ended(qemu_plugin_id_t, void*) {
  write_counts();
  std::fclose(g_out);
}

}  // namespace

int qemu_plugin_install(qemu_plugin_id_t id, const void*, int count, char** words) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    const std::string_view word = words[i];
    if (word.starts_with("low=")) g_low = std::strtoull(words[i] + 4, nullptr, 0);
    if (word.starts_with("high=")) g_high = std::strtoull(words[i] + 5, nullptr, 0);
    if (word.starts_with("stacks=")) g_stacks = std::strtoull(words[i] + 7, nullptr, 0);
    if (word.starts_with("stride=")) g_stride = std::strtoull(words[i] + 7, nullptr, 0);
    if (word.starts_with("out=")) out = word.substr(4);
  }
  if (g_low >= g_high || g_stride == 0 || out.empty() || (g_out = std::fopen(out.c_str(), "w")) == nullptr) {
    std::fprintf(stderr, "count_monitor: needs low=, high=, stacks=, stride= and out=, a file that can be written\n");
    return 1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, ended, nullptr);
  return 0;
}
