// Builds the monitor's translation tables with the MMU off. Runs once, on the boot core, called by start.S.
//
// Compiled with general registers only, without a stack protector and without calls to the C library: unaligned and
// SIMD accesses fault here, and nothing is initialised but constants. Writes only objects of section .bss.keep.early,
// which start.S does not clear.
#include "hal/aarch64/message_range.hpp"
#include "hal/aarch64/mmio.hpp"
#include "hal/aarch64/monitor_map.hpp"
#include "hal/aarch64/system_registers.hpp"
#include "hal/registers/its.hpp"
#include "hal/registers/sctlr.hpp"
#include "hal/registers/smmuv3.hpp"
#include "hal/registers/stage1_el2.hpp"

namespace hal::aarch64 {

extern "C" {
extern const std::uint8_t __text_start[], __text_end[], __rodata_start[], __rodata_end[];
extern const std::uint8_t __writable_start[], __writable_end[];
[[gnu::section(".bss.keep.early")]] CoreTables hal_core_tables[kCores];
[[gnu::section(".bss.keep.early")]] EarlyControls hal_early_controls;
extern const std::uint64_t hal_boot_core_index;
[[gnu::used]] constinit const std::uint64_t hal_boot_core_index = boot_core();
void hal_early_map();
}

namespace {

namespace format = registers::stage1_el2;

// Level-2 and level-3 tables of the identity map: RAM of the monitor in 2 MiB pieces, a few for devices.
constexpr std::size_t kSharedTables = 24 + (board::kBoard.monitor.size >> 21);
struct alignas(4096) SharedTables {
  std::array<TranslationTable, kSharedTables> tables;
  std::uint64_t used;
};
[[gnu::section(".bss.keep.early")]] SharedTables shared;

std::uint64_t address_of(const volatile void* object) { return reinterpret_cast<std::uint64_t>(object); }

[[noreturn]] void stop() {
  for (;;) asm volatile("wfi");
}

void write(TranslationTable& table, std::uint64_t index, std::uint64_t descriptor) {
  // volatile: the compiler may not turn a loop of these into a call of memset.
  const_cast<volatile std::uint64_t&>(table[index]) = descriptor;
}

TranslationTable& next_table(TranslationTable& parent, std::uint64_t index) {
  const std::uint64_t descriptor = parent[index];
  if ((descriptor & format::kValid) != 0) {
    if ((descriptor & format::kTableOrPage) == 0) stop();  // a block where pages are wanted: the map overlaps itself
    return *reinterpret_cast<TranslationTable*>(descriptor & 0x0000'FFFF'FFFF'F000);
  }
  if (shared.used == kSharedTables) stop();
  TranslationTable& table = shared.tables[shared.used++];
  write(parent, index, address_of(&table) | format::kTableOrPage | format::kValid);
  return table;
}

// Identity, [first, end) in whole pages, blocks of 2 MiB where they fit.
void map(TranslationTable& root, std::uint64_t first, std::uint64_t end, std::uint64_t attributes) {
  while (first < end) {
    TranslationTable& level2 = next_table(root, (first >> 30) & 511);
    if ((first & 0x1F'FFFF) == 0 && end - first >= 0x20'0000) {
      write(level2, (first >> 21) & 511, first | attributes | format::kValid);
      first += 0x20'0000;
      continue;
    }
    TranslationTable& level3 = next_table(level2, (first >> 21) & 511);
    write(level3, (first >> 12) & 511, first | attributes | format::kTableOrPage | format::kValid);
    first += 0x1000;
  }
}

// The stack guards lie inside the writable range: map around them.
void map_writable(TranslationTable& root) {
  std::uint64_t first = address_of(__writable_start);
  for (const CoreStack& stack : hal_core_stacks) {
    map(root, first, address_of(&stack.guard_below_emergency), format::kData);
    map(root, address_of(&stack.emergency), address_of(&stack.guard_below_main), format::kData);
    first = address_of(&stack.main);
  }
  map(root, first, address_of(__writable_end), format::kData);
}

void map_registers(TranslationTable& root, std::uint64_t base, std::uint64_t size) {
  if (size != 0) map(root, base, base + size, format::kRegisters);
}

// Stale lines, left in the caches by whoever ran before, must not cover what is written here with the caches off.
void clean_early_objects() {
  const auto clean = [](const void* object, std::uint64_t bytes) {
    const std::uint64_t line = std::uint64_t{4} << ((HAL_READ_REGISTER(ctr_el0) >> 16) & 0xF);
    for (std::uint64_t at = address_of(object) & ~(line - 1); at < address_of(object) + bytes; at += line) {
      asm volatile("dc civac, %0" : : "r"(at) : "memory");
    }
    dsb_sy();
  };
  clean(hal_core_tables, sizeof(hal_core_tables));
  clean(&shared, sizeof(shared));
  clean(&hal_early_controls, sizeof(hal_early_controls));
}

// The ROM did so before; a monitor that is started some other way must not rely on it.
void abort_all_dma() {
  if constexpr (board::kBoard.smmu_base != 0) {
    namespace smmu = registers::smmuv3;
    const std::uint64_t gbpa = board::kBoard.smmu_base + smmu::kGbpa;
    write32(gbpa, smmu::kGbpaUpdate | smmu::kGbpaAbort);
    while ((read32(gbpa) & smmu::kGbpaUpdate) != 0) {
    }
    // A stream table that somebody left enabled would count instead of GBPA.
    if ((read32(board::kBoard.smmu_base + smmu::kCr0) & smmu::kCr0Enable) != 0) {
      write32(board::kBoard.smmu_base + smmu::kCr0, 0);
      while ((read32(board::kBoard.smmu_base + smmu::kCr0Ack) & smmu::kCr0Enable) != 0) {
      }
    }
  }
}

}  // namespace

void hal_early_map() {
  abort_all_dma();
  clean_early_objects();
  for (CoreTables& core : hal_core_tables) {
    for (std::uint64_t i = 0; i < 512; ++i) {
      write(core.root, i, 0);
      write(core.window_level2, i, 0);
      write(core.window_level3[0], i, 0);
      write(core.window_level3[1], i, 0);
      write(core.window_level3[kPagePlace], i, 0);
    }
  }
  for (TranslationTable& table : shared.tables) {
    for (std::uint64_t i = 0; i < 512; ++i) write(table, i, 0);
  }
  shared.used = 0;

  TranslationTable& root = hal_core_tables[boot_core()].root;
  map(root, address_of(__text_start), address_of(__text_end), format::kCode);
  map(root, address_of(__rodata_start), address_of(__rodata_end), format::kConstants);
  map_writable(root);
  constexpr const board::Board& kBoard = board::kBoard;
  map_registers(root, kBoard.gic_distributor, kBoard.gic_distributor != 0 ? 0x1'0000 : 0);
  map_registers(root, kBoard.gic_redistributor, kBoard.gic_redistributor_stride * kCores);
  // Its second frame, where devices write, is never the monitor's own to write.
  map_registers(root, kMessages.its, kMessages.its != 0 ? registers::its::kControlFrameBytes : 0);
  map_registers(root, kBoard.smmu_base, kBoard.smmu_base != 0 ? 0x2'0000 : 0);
  map_registers(root, kBoard.uart_base & ~std::uint64_t{0xFFF}, kBoard.uart_base != 0 ? 0x1000 : 0);
  map_registers(root, kBoard.rtc_base & ~std::uint64_t{0xFFF}, kBoard.rtc_base != 0 ? 0x1000 : 0);

  for (std::size_t core = 0; core < kCores; ++core) {
    CoreTables& tables = hal_core_tables[core];
    if (core != boot_core()) {
      for (std::uint64_t i = 0; i < 512; ++i) write(tables.root, i, root[i]);  // the identity map is shared
    }
    hal_early_controls.roots[core] = address_of(&tables.root);
  }
  for (CoreTables& tables : hal_core_tables) {
    write(tables.root, (kWindowBase >> 30) & 511,
          address_of(&tables.window_level2) | format::kTableOrPage | format::kValid);
    write(tables.window_level2, kPagePlace, address_of(&tables.window_level3[kPagePlace]) | format::kTableOrPage | format::kValid);
  }
  const std::uint64_t range = HAL_READ_REGISTER(id_aa64mmfr0_el1) & 0xF;
  hal_early_controls.mair = format::kMair;
  hal_early_controls.tcr = format::tcr::make(range < 5 ? range : 5);
  hal_early_controls.sctlr = registers::sctlr_el2::make_monitor_value();
  dsb_sy();
  clean_early_objects();
}

}  // namespace hal::aarch64
