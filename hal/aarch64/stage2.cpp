// hal/stage2.hpp on the core's own tables: the portable builder over RAM, and the TLB maintenance it needs.
#include "hal/stage2.hpp"

#include <algorithm>
#include <array>

#include "hal/aarch64/machine.hpp"
#include "hal/aarch64/per_core.hpp"
#include "hal/aarch64/system_registers.hpp"
#include "hal/cpu.hpp"
#include "hal/device_isolation.hpp"
#include "hal/registers/midr_el1.hpp"
#include "hal/registers/stage2_control.hpp"
#include "hal/stage2/table_builder.hpp"
#include "hal/stage2/table_pool.hpp"

namespace hal::aarch64 {

namespace {

constexpr std::size_t kPartitions = 256;  // every PartitionId there can be has an entry: no index to check
constexpr std::size_t kTables = board::kTableFrames;

using Table = std::array<std::uint64_t, registers::stage2_descriptor::kEntries>;
[[gnu::section(".bss.keep.tables")]] alignas(base::kFrameSize) Table table_frames[kTables];
// What a core points at while it runs no partition: nothing is mapped.
alignas(base::kFrameSize) constinit Table nowhere{};

constinit stage2::TablePool<kTables> pool{};
constinit std::array<std::uint64_t, kPartitions> roots{};  // frame number
constexpr base::FrameNumber kNoRoot{0};                    // no such address space
constinit bool pool_assigned = false;
constinit std::atomic<bool> invalidate_twice{false};  // CVE-2025-10263 on any of the cores
// Set while a block may be invalid for a moment because it is being split: one core at a time, under the state lock.
constinit std::atomic<bool> changing{false};

std::uint64_t address_of(const void* object) { return reinterpret_cast<std::uint64_t>(object); }

// More single invalidations than this cost more than losing the partition's whole TLB.
constexpr std::uint64_t kMostSinglePages = 16;

inline void invalidate_once(base::Ipa ipa, base::FrameCount count) {
  // Tables were published (DSB ISHST) before. Combined entries are tagged by virtual address, which the monitor does
  // not know: all of stage 1's go once stage 2's are gone (Arm ARM D8.17.6.3).
  if (count.value <= kMostSinglePages) {
    for (std::uint64_t page = 0; page < count.value; ++page) {
      asm volatile("tlbi ipas2e1is, %0" : : "r"((ipa.value >> base::kFrameShift) + page) : "memory");
    }
    dsb_ish();
    asm volatile("tlbi vmalle1is" : : : "memory");
  } else {
    asm volatile("tlbi vmalls12e1is" : : : "memory");
  }
  dsb_ish();
  isb();
}

// TLBIs act on the VMID of VTTBR_EL2: this core borrows the partition's for their time.
[[gnu::noinline, gnu::cold]] void invalidate_for_another(std::uint64_t target, base::Ipa ipa, base::FrameCount count);

[[gnu::always_inline]] inline void invalidate_tlb(base::PartitionId partition, base::FrameNumber root, base::Ipa ipa,
                                                  base::FrameCount count) {
  const std::uint64_t target = registers::vttbr_el2::make(root, partition);
  if (HAL_READ_REGISTER(vttbr_el2) != target) return invalidate_for_another(target, ipa, count);
  invalidate_once(ipa, count);
  if (invalidate_twice.load(std::memory_order_relaxed)) [[unlikely]] invalidate_once(ipa, count);
}

void invalidate_for_another(std::uint64_t target, base::Ipa ipa, base::FrameCount count) {
  const std::uint64_t current = HAL_READ_REGISTER(vttbr_el2);
  dsb_ish();
  HAL_WRITE_REGISTER(vttbr_el2, target);
  isb();
  invalidate_once(ipa, count);
  if (invalidate_twice.load(std::memory_order_relaxed)) invalidate_once(ipa, count);
  HAL_WRITE_REGISTER(vttbr_el2, current);
  isb();
}

struct MachineTables {
  base::PartitionId partition;

  // The monitor's map is an identity map: a table's frame is where it is written, too.
  static Table& at(base::FrameNumber table) { return *reinterpret_cast<Table*>(base::address_of(table).value); }
  // volatile: a walker looks at any time, and an entry is written once and whole.
  [[nodiscard]] std::uint64_t read_descriptor(base::FrameNumber table, std::size_t index) const {
    return const_cast<const volatile std::uint64_t&>(at(table)[index]);
  }
  void write_descriptor(base::FrameNumber table, std::size_t index, std::uint64_t descriptor) const {
    const_cast<volatile std::uint64_t&>(at(table)[index]) = descriptor;
  }
  void publish() const { dsb_ishst(); }
  [[nodiscard]] base::Status invalidate(base::Ipa ipa, base::FrameCount count) const {
    invalidate_tlb(partition, base::FrameNumber{roots[partition.value]}, ipa, count);
    if (has_streams(partition)) return device_isolation::invalidate(partition);
    return {};
  }
  [[nodiscard]] base::Result<base::FrameNumber> allocate_table() const {
    MON_TRY_ASSIGN(const base::FrameNumber table, pool.take());
    at(table).fill(0);
    return table;
  }
  void free_table(base::FrameNumber table) const { pool.give_back(table); }
  [[nodiscard]] std::size_t available_tables() const { return pool.available(); }
  [[nodiscard]] std::uint16_t& used_entries(base::FrameNumber table) const { return pool.used_entries(table); }
};
static_assert(stage2::TableMemory<MachineTables>);

}  // namespace

std::uint64_t physical_size_code() { return std::min<std::uint64_t>(HAL_READ_REGISTER(id_aa64mmfr0_el1) & 0xF, 5); }

void prepare_stage2_controls() {
  if (!pool_assigned) {  // the boot core, before any other runs
    pool.assign(base::frame_of(base::PhysAddr{address_of(table_frames)}));
    pool_assigned = true;
  }
  if (registers::midr_el1::must_invalidate_twice(HAL_READ_REGISTER(midr_el1))) invalidate_twice.store(true);
  HAL_WRITE_REGISTER(vtcr_el2, registers::vtcr_el2::make(physical_size_code()));
  HAL_WRITE_REGISTER(vttbr_el2, address_of(&nowhere));
  isb();
}

bool repeats_invalidation() { return invalidate_twice.load(); }

void wait_for_table_change() {
  while (changing.load(std::memory_order_acquire)) hal::relax();
}

void enter_address_space(base::PartitionId partition) {
  HAL_WRITE_REGISTER(vttbr_el2, registers::vttbr_el2::make(base::FrameNumber{roots[partition.value]}, partition));
  isb();
  // Cores that speculate AT (Arm's errata 1530923, 1319537, 1319367 and 1165522) may have cached nonsense for this VMID
  // in invalidate_for_another(), from the stage 1 of whoever ran here then.
  asm volatile("tlbi vmalls12e1" : : : "memory");
  dsb_nsh();
  isb();
}

void leave_address_space() {
  dsb_nsh();
  asm volatile("tlbi vmalls12e1" : : : "memory");
  dsb_nsh();
  isb();
  HAL_WRITE_REGISTER(vttbr_el2, address_of(&nowhere));
  isb();
}

base::Result<base::FrameNumber> stage2_root(base::PartitionId partition) {
  if (roots[partition.value] == 0) return base::Error::kWrongState;
  return base::FrameNumber{roots[partition.value]};
}

}  // namespace hal::aarch64

namespace hal::stage2 {

namespace {
using aarch64::MachineTables;
}

[[gnu::noinline, gnu::cold]] base::Status create(base::PartitionId partition) {
  if (aarch64::roots[partition.value] != 0) return base::Error::kWrongState;
  MachineTables tables{partition};
  MON_TRY_ASSIGN(const base::FrameNumber root, TableBuilder(tables).create());
  tables.publish();
  aarch64::roots[partition.value] = root.value;
  return {};
}

[[gnu::noinline, gnu::cold]] void destroy(base::PartitionId partition) {
  const base::Result<base::FrameNumber> root = aarch64::stage2_root(partition);
  if (!root.ok()) return;
  MachineTables tables{partition};
  // On kDeviceTimeout the descriptors are invalid all the same; only the frames of the tables are lost to the pool.
  if (!TableBuilder(tables).destroy(*root).ok()) tables.publish();
  aarch64::roots[partition.value] = 0;
}

namespace {

// Apart, so that the short way below has neither their stack frame nor their registers to save; for size.
[[gnu::noinline, gnu::cold]] base::Status map_range(base::PartitionId partition, base::FrameNumber root, base::Ipa ipa,
                                     base::FrameRange frames, base::Access access) {
  MachineTables tables{partition};
  return TableBuilder(tables).map_range(root, ipa, frames, access);
}

[[gnu::noinline, gnu::cold]] base::Status unmap_range(base::PartitionId partition, base::FrameNumber root, base::Ipa ipa,
                                       base::FrameCount count) {
  MachineTables tables{partition};
  aarch64::changing.store(true, std::memory_order_release);
  const base::Status done = TableBuilder(tables).unmap_range(root, ipa, count);
  aarch64::changing.store(false, std::memory_order_release);
  return done;
}

}  // namespace

base::Status map(base::PartitionId partition, base::Ipa ipa, base::FrameRange frames, base::Access access) {
  const base::FrameNumber root{aarch64::roots[partition.value]};
  if (root == aarch64::kNoRoot) return base::Error::kWrongState;
  MachineTables tables{partition};
  if (TableBuilder(tables).map_leaf(root, ipa, frames, access)) [[likely]] return {};
  return map_range(partition, root, ipa, frames, access);
}

base::Status unmap(base::PartitionId partition, base::Ipa ipa, base::FrameRange frames) {
  const base::FrameNumber root{aarch64::roots[partition.value]};
  if (root == aarch64::kNoRoot) return base::Error::kWrongState;
  MachineTables tables{partition};
  if (TableBuilder(tables).unmap_leaf(root, ipa, frames.count())) [[likely]] return {};
  return unmap_range(partition, root, ipa, frames.count());
}

base::Status invalidate(base::PartitionId partition, base::Ipa ipa, base::FrameCount count) {
  const base::FrameNumber root{aarch64::roots[partition.value]};
  if (root == aarch64::kNoRoot) return base::Error::kWrongState;
  aarch64::dsb_ishst();
  aarch64::invalidate_tlb(partition, root, ipa, count);
  return {};
}

[[gnu::noinline, gnu::cold]] base::Result<base::PhysAddr> translate(base::PartitionId partition, base::Ipa ipa) {
  MON_TRY_ASSIGN(const base::FrameNumber root, aarch64::stage2_root(partition));
  MachineTables tables{partition};
  MON_TRY_ASSIGN(const auto translation, TableBuilder(tables).walk(root, ipa));
  return translation.address;
}

}  // namespace hal::stage2
