// The core itself: how it is entered, caches, translation, EL0, what it says that it has, what it must refuse.
#include "guests/bare/architecture/machine.hpp"

namespace architecture {

namespace {

constexpr std::uint64_t kWords = 512;
alignas(4096) volatile std::uint64_t g_memory[kWords];

extern "C" {
void mmu_off();
void mmu_on();
void run_at_el0(std::uint64_t stack);
void back_from_el0();
std::uint64_t executed_here();
extern char breakpoint_place[];
extern const char entry_record[];
}

void fill(std::uint64_t seed) {
  for (std::uint64_t i = 0; i < kWords; ++i) g_memory[i] = seed * (i + 1);
}
bool holds(std::uint64_t seed) {
  for (std::uint64_t i = 0; i < kWords; ++i) {
    if (g_memory[i] != seed * (i + 1)) return false;
  }
  return true;
}

std::uint64_t big_endian(const std::uint8_t* at) {
  return std::uint64_t{at[0]} << 24 | std::uint64_t{at[1]} << 16 | std::uint64_t{at[2]} << 8 | at[3];
}

// Every set and way of every data or unified cache (Arm ARM D7.5.9.4: Set/Way format).
enum class ByWay { kClean, kInvalidate, kBoth };
void maintain_by_way(ByWay how) {
  const std::uint64_t levels = READ_REGISTER(clidr_el1);
  const bool wide = (READ_REGISTER(id_aa64mmfr2_el1) >> 20 & 0xF) != 0;  // CCIDX
  for (std::uint64_t level = 0; level < 7; ++level) {
    const std::uint64_t type = levels >> (3 * level) & 7;
    if (type < 2) {
      if (type == 0) break;
      continue;
    }
    WRITE_REGISTER(csselr_el1, level << 1);
    const std::uint64_t size = READ_REGISTER(ccsidr_el1);
    const std::uint64_t line = (size & 7) + 4;
    const std::uint64_t ways = (wide ? size >> 3 & 0x1F'FFFF : size >> 3 & 0x3FF) + 1;
    const std::uint64_t sets = (wide ? size >> 32 & 0xFF'FFFF : size >> 13 & 0x7FFF) + 1;
    const auto way_shift = ways > 1 ? static_cast<unsigned>(__builtin_clz(static_cast<unsigned>(ways - 1))) : 31U;
    for (std::uint64_t way = 0; way < ways; ++way) {
      for (std::uint64_t set = 0; set < sets; ++set) {
        const std::uint64_t which = (ways > 1 ? way << way_shift : 0) | set << line | level << 1;
        switch (how) {
          case ByWay::kClean:
            asm volatile("dc csw, %0" : : "r"(which) : "memory");
            break;
          case ByWay::kInvalidate:
            asm volatile("dc isw, %0" : : "r"(which) : "memory");
            break;
          case ByWay::kBoth:
            asm volatile("dc cisw, %0" : : "r"(which) : "memory");
            break;
        }
      }
    }
  }
  barrier();
}

void by_address(bool invalidate_only) {
  const std::uint64_t line = std::uint64_t{4} << (READ_REGISTER(ctr_el0) >> 16 & 0xF);
  const auto first = reinterpret_cast<std::uint64_t>(g_memory);
  barrier();
  for (std::uint64_t at = first; at < first + sizeof g_memory; at += line) {
    if (invalidate_only) {
      asm volatile("dc ivac, %0" : : "r"(at) : "memory");
    } else {
      asm volatile("dc civac, %0" : : "r"(at) : "memory");
    }
  }
  barrier();
}

void check_caches_without_mmu() {
  Core& core = g_cores[0];
  const std::uint64_t before = core.synchronous;
  fill(3);
  check("without the MMU: memory is memory", holds(3));
  maintain_by_way(ByWay::kClean);
  maintain_by_way(ByWay::kBoth);
  check("without the MMU: cleaning by set and way changes nothing", holds(3) && core.synchronous == before, {core.esr});
  maintain_by_way(ByWay::kInvalidate);
  by_address(false);
  by_address(true);
  asm volatile("ic iallu\n\tic ialluis\n\ttlbi vmalle1\n\ttlbi vmalle1is\n\tdsb sy\n\tisb" : : : "memory");
  check("without the MMU: invalidating takes no exception", core.synchronous == before, {core.esr});
}

void check_caches() {
  Core& core = this_core();
  const std::uint64_t before = core.synchronous;
  fill(5);
  maintain_by_way(ByWay::kClean);
  maintain_by_way(ByWay::kBoth);
  check("cleaning by set and way changes nothing", holds(5) && core.synchronous == before, {core.esr});
  by_address(false);
  mmu_off();
  const bool seen_off = holds(5);
  fill(7);
  by_address(true);
  mmu_on();
  check("what was written with the MMU on is there with it off, and back", seen_off && holds(7));
  const std::uint64_t zero_size = READ_REGISTER(dczid_el0);
  if ((zero_size & 0x10) == 0) {
    asm volatile("dc zva, %0" : : "r"(g_memory) : "memory");
    bool zero = true;
    for (std::uint64_t i = 0; i < (std::uint64_t{4} << (zero_size & 0xF)) / 8 && i < kWords; ++i)
      zero = zero && g_memory[i] == 0;
    check("DC ZVA zeroes its block", zero && core.synchronous == before, {core.esr});
  }
  fill(9);
  const auto address = reinterpret_cast<std::uint64_t>(g_memory);
  std::uint64_t value = 0;
  asm volatile("ldr %0, [%1, #1]" : "=r"(value) : "r"(address) : "memory");
  check("an unaligned load from normal memory works", value == (9U >> 8 | std::uint64_t{18} << 56), {value});
  std::uint64_t par = 0;
  asm volatile("at s1e1r, %1\n\tisb\n\tmrs %0, par_el1" : "=r"(par) : "r"(address) : "memory");
  check("AT S1E1R answers the address", (par & 1) == 0 && (par & 0xFF'FFFF'F000) == (address & ~0xFFFULL), {par});
}

// The space of identification registers reads everywhere, and EL2 and EL3 are not said to be there.
void check_identification() {
  Core& core = this_core();
  const std::uint64_t before = core.synchronous;
  alignas(64) static volatile std::uint32_t code[16];
  std::uint64_t refused = 0;
  for (std::uint32_t encoding = 0; encoding < 64; ++encoding) {
    const std::uint32_t crm = encoding >> 3, op2 = encoding & 7;
    if (crm == 0 && op2 != 0 && op2 != 5 && op2 != 6) continue;
    code[0] = 0xD538'0000 | crm << 8 | op2 << 5;  // MRS x0, S3_0_C0_Cm_op2
    code[1] = 0xD65F'03C0;
    asm volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" : : "r"(code) : "memory");
    const std::uint64_t count = core.synchronous;
    asm volatile("blr %0" : : "r"(code) : "x0", "x30", "memory");
    refused += core.synchronous != count;
  }
  check("every identification register can be read", refused == 0 && core.synchronous == before, {refused});
  const std::uint64_t features = READ_REGISTER(id_aa64pfr0_el1);
  check("AArch64 at EL1 and EL0, no EL2",
        (features & 0xF) != 0 && (features >> 4 & 0xF) != 0 && (features >> 8 & 0xF) == 0, {features});
  check("the GIC's registers are said to be there", (features >> 24 & 0xF) != 0, {features});
  const bool wide = (READ_REGISTER(id_aa64mmfr2_el1) >> 20 & 0xF) != 0;  // CCIDX
  WRITE_REGISTER(csselr_el1, 0);
  const std::uint64_t first_cache = READ_REGISTER(ccsidr_el1);
  check("a cache's size is in the format that is said", first_cache >> 32 == 0 || wide, {first_cache});
}

void check_refusals() {
  Core& core = this_core();
  std::uint64_t before = core.synchronous;
  asm volatile("mrs x0, hcr_el2" : : : "x0", "memory");
  check("an EL2 register is undefined", core.synchronous == before + 1 && core.esr >> 26 == 0,
        {core.synchronous - before, core.esr});
  before = core.synchronous;
  std::uint64_t value = 0x55;
  asm volatile("ldr %0, [%1]" : "+r"(value) : "r"(std::uint64_t{0x0B00'0000}) : "memory");
  check("a load from what is nobody's here is an external abort",
        core.synchronous == before + 1 && core.esr >> 26 == 0x25 && (core.esr & 0x3F) == 0x10 && value == 0x55,
        {core.synchronous - before, core.esr, value});
  before = core.synchronous;
  asm volatile("ldr %0, [%1]" : "+r"(value) : "r"(std::uint64_t{0x40'0000'0000 - 8}) : "memory");
  check("a load from what is not mapped is a translation fault with its address",
        core.synchronous == before + 1 && core.esr >> 26 == 0x25 && (core.esr & 0x3C) == 0x04 &&
            core.far == 0x40'0000'0000 - 8,
        {core.synchronous - before, core.esr, core.far});
}

void check_el0() {
  alignas(16) static std::uint64_t stack[64];
  Core& core = this_core();
  static volatile std::uint64_t seen;
  seen = 0;
  core.on_synchronous = [](Core&, Frame& frame) {
    seen = (frame.esr >> 26 & 0x3F) == 0x15 && (frame.esr & 0xFFFF) == 7 ? frame.x[0] : ~std::uint64_t{0};
    frame.elr = reinterpret_cast<std::uint64_t>(&back_from_el0);
    frame.spsr = 0x3C5;
  };
  run_at_el0(reinterpret_cast<std::uint64_t>(stack + 64));
  core.on_synchronous = nullptr;
  check("EL0 runs and calls the supervisor", seen == 0x51, {seen, core.esr});
}

void check_atomics() {
  volatile std::uint64_t& word = g_memory[0];
  word = 1;
  std::uint64_t old = 0, failed = 1;
  for (int tries = 0; tries < 100 && failed != 0; ++tries) {
    asm volatile("ldaxr %0, [%2]\n\tadd %0, %0, #1\n\tstlxr %w1, %0, [%2]"
                 : "=&r"(old), "=&r"(failed)
                 : "r"(&word)
                 : "memory");
  }
  check("exclusive load and store", failed == 0 && word == 2, {failed, word});
  if ((READ_REGISTER(id_aa64isar0_el1) >> 20 & 0xF) != 0) {
    asm volatile(".arch_extension lse\n\tldaddal %1, %0, [%2]"
                 : "=&r"(old)
                 : "r"(std::uint64_t{5}), "r"(&word)
                 : "memory");
    check("atomic add", old == 2 && word == 7, {old, word});
  }
}

volatile std::uint64_t g_debug_count, g_debug_class, g_debug_place;

// Debug exceptions come to EL1 and name their place; the hook switches them off, so that the instruction runs then.
void on_debug(Core&, Frame& frame) {
  g_debug_count = g_debug_count + 1;
  g_debug_class = frame.esr >> 26 & 0x3F;
  g_debug_place = frame.elr;
  if (g_debug_class == 0x3C) {  // BRK
    frame.elr += 4;
    return;
  }
  frame.spsr &= ~(std::uint64_t{1} << 21);  // PSTATE.SS
  WRITE_REGISTER(mdscr_el1, 0);
}

void begin_debug(bool step) {
  g_debug_count = 0;
  WRITE_REGISTER(mdscr_el1, std::uint64_t{1} << 15 | std::uint64_t{1} << 13 | (step ? 1 : 0));  // MDE, KDE, SS
  asm volatile("msr daifclr, #8\n\tisb" : : : "memory");
}
void end_debug() {
  asm volatile("msr daifset, #8" : : : "memory");
  WRITE_REGISTER(mdscr_el1, 0);
}

// Mandatory, and Linux with CONFIG_HVC_DCC=y tries it at boot. Cores without FEAT_FGT keep their own.
void check_debug_channel() {
  Core& core = this_core();
  const std::uint64_t before = core.synchronous;
  WRITE_REGISTER(dbgdtrtx_el0, '\n');
  WRITE_REGISTER(mdccint_el1, 0);
  WRITE_REGISTER(osdtrrx_el1, 0);
  WRITE_REGISTER(osdtrtx_el1, 0);
  const std::uint64_t read = READ_REGISTER(dbgdtrrx_el0) | READ_REGISTER(mdccint_el1) |
                             READ_REGISTER(osdtrrx_el1) | READ_REGISTER(osdtrtx_el1);
  const std::uint64_t rom = READ_REGISTER(mdrar_el1) & 3;
  const std::uint64_t status = READ_REGISTER(mdccsr_el0);
  check("the debug channel takes no exception and holds nothing", core.synchronous == before && read == 0,
        {core.synchronous - before, core.esr, read});
  check("no debug components lie in memory", rom == 0, {rom});
  if (status != 0) check("debug channel: full", status == 1U << 29, {status});
}

}  // namespace

void check_entry(const std::uint64_t* record) {
  const auto* tree = reinterpret_cast<const std::uint8_t*>(record[0]);
  check("entered with a device tree on 8 bytes",
        record[0] % 8 == 0 && record[0] != 0 && big_endian(tree) == 0xD00D'FEED, {record[0]});
  check("x1 to x3 are zero", (record[1] | record[2] | record[3]) == 0, {record[1], record[2], record[3]});
  check("at EL1", record[4] == 4, {record[4]});
  check("everything is masked", record[5] == 0x3C0, {record[5]});
  check("on SP_EL1", record[6] == 1, {record[6]});
  check("MMU and data cache off, little-endian", (record[7] & (1U | 4U | 1U << 25)) == 0, {record[7]});
  check("the image lies on 2 MiB", (reinterpret_cast<std::uint64_t>(entry_record) & 0x1F'F000) < 0x10'0000,
        {reinterpret_cast<std::uint64_t>(entry_record)});
  check("the counter has a frequency", READ_REGISTER(cntfrq_el0) >= 1'000'000, {READ_REGISTER(cntfrq_el0)});
}

void check_processor_without_mmu() {
  check_caches_without_mmu();
  Core& core = this_core();
  const std::uint64_t before = core.synchronous;
  asm volatile("mrs x0, hcr_el2" : : : "x0", "memory");
  check("without the MMU: an undefined instruction comes to EL1", core.synchronous == before + 1 && core.esr >> 26 == 0,
        {core.synchronous - before, core.esr});
}

void check_processor() {
  WRITE_REGISTER(cpacr_el1, 3U << 20);  // FP and SIMD are not trapped
  check_caches();
  check_identification();
  check_refusals();
  check_atomics();
  check_el0();
}

void check_debug() {
  check_debug_channel();
  Core& core = this_core();
  core.on_synchronous = on_debug;
  WRITE_REGISTER(oslar_el1, 0);
  const std::uint64_t locked = READ_REGISTER(oslsr_el1) & 2;
  check("the OS lock is open", locked == 0, {locked});

  begin_debug(false);
  asm volatile("brk #9" : : : "memory");
  end_debug();
  check("BRK", g_debug_count == 1 && g_debug_class == 0x3C, {g_debug_count, g_debug_class});

  const auto place = reinterpret_cast<std::uint64_t>(breakpoint_place);
  WRITE_REGISTER(dbgbvr0_el1, place);
  WRITE_REGISTER(dbgbcr0_el1, 1 | 1U << 1 | 0xFU << 5);  // EL1, all bytes
  begin_debug(false);
  std::uint64_t answer = executed_here();
  end_debug();
  WRITE_REGISTER(dbgbcr0_el1, 0);
  check("a breakpoint", g_debug_count == 1 && g_debug_class == 0x31 && g_debug_place == place && answer == 3,
        {g_debug_count, g_debug_class, g_debug_place, answer});

  WRITE_REGISTER(dbgwvr0_el1, reinterpret_cast<std::uint64_t>(&g_memory[8]));
  WRITE_REGISTER(dbgwcr0_el1, 1 | 1U << 1 | 2U << 3 | 0xFFU << 5);  // EL1, stores, 8 bytes
  begin_debug(false);
  const std::uint64_t read = g_memory[8];
  const std::uint64_t after_read = g_debug_count;
  g_memory[8] = read + 1;
  end_debug();
  WRITE_REGISTER(dbgwcr0_el1, 0);
  check("a watchpoint on stores",
        after_read == 0 && g_debug_count == 1 && g_debug_class == 0x35 && g_memory[8] == read + 1,
        {after_read, g_debug_count, g_debug_class});

  // A step is armed by an exception return with SPSR.SS set: from BRK's.
  static volatile std::uint64_t steps;
  steps = 0;
  core.on_synchronous = [](Core&, Frame& frame) {
    const std::uint64_t what = frame.esr >> 26 & 0x3F;
    if (what == 0x3C) {
      frame.elr += 4;
      frame.spsr = (frame.spsr & ~(std::uint64_t{1} << 9)) | std::uint64_t{1} << 21;  // D clear, SS set
      WRITE_REGISTER(mdscr_el1, std::uint64_t{1} << 13 | 1);
    } else if (what == 0x33) {
      steps = steps + 1;
      if (steps < 3) {
        frame.spsr |= std::uint64_t{1} << 21;
      } else {
        frame.spsr = (frame.spsr & ~(std::uint64_t{1} << 21)) | std::uint64_t{1} << 9;
        WRITE_REGISTER(mdscr_el1, 0);
      }
    } else {
      frame.elr += 4;
    }
  };
  asm volatile("brk #1\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop" : : : "memory");
  check("single steps", steps == 3, {steps});
  core.on_synchronous = nullptr;
}

}  // namespace architecture
