#include "hal/stage2.hpp"

#include <optional>

#include "hal/host/machine.hpp"
#include "hal/host/table_memory.hpp"
#include "hal/host/table_walk.hpp"
#include "hal/stage2/table_builder.hpp"

namespace host {

namespace format = hal::registers::stage2_descriptor;

std::uint64_t TableMemory::read_descriptor(base::FrameNumber table, std::size_t index) {
  return machine_.memory().load(base::PhysAddr{base::address_of(table).value + index * 8});
}

void TableMemory::write_descriptor(base::FrameNumber table, std::size_t index, std::uint64_t descriptor) {
  SimulatedMemory& memory = machine_.memory();
  TablePlaces& places = machine_.places();
  const base::PhysAddr slot{base::address_of(table).value + index * 8};
  const std::uint64_t before = memory.load(slot);
  const TablePlaces::Place* place = places.find(table);
  Event event{.kind = EventKind::kWrite, .partition = partition_, .address = slot.value, .before = before,
              .after = descriptor};
  if (place != nullptr) {  // else no walker finds this table yet
    const unsigned level = place->level;
    const std::uint64_t ipa = place->ipa + index * format::span_of(level);
    event.level = level;
    event.ipa = ipa;
    // What was translated through this slot may be cached from before; the tables below it are found no more.
    const auto break_leaf = [&](base::Ipa address, unsigned leaf_level, std::uint64_t leaf) {
      machine_.translation_broken({partition_, address, frames_of_leaf(leaf, leaf_level)});
    };
    if (before != descriptor && format::is_table(before, level)) {
      const auto forget = [&](base::FrameNumber frame, unsigned, std::uint64_t) { places.unlink(frame); };
      walk_tables(memory, format::table_of(before), level + 1, ipa, break_leaf, forget);
    } else if (before != descriptor && format::is_leaf(before, level)) {
      break_leaf(base::Ipa{ipa}, level, before);
    }
    memory.store(slot, descriptor);
    if (format::is_table(descriptor, level)) {
      const auto ignore = [](base::Ipa, unsigned, std::uint64_t) {};
      const auto remember = [&](base::FrameNumber frame, unsigned table_level, std::uint64_t table_ipa) {
        places.link(frame, {partition_, table_level, table_ipa});
      };
      walk_tables(memory, format::table_of(descriptor), level + 1, ipa, ignore, remember);
    }
  } else {
    memory.store(slot, descriptor);
  }
  machine_.emit(event);
}

base::Status TableMemory::invalidate(base::Ipa ipa, base::FrameCount count) {
  machine_.invalidate_everywhere({partition_, ipa.value, count.value << base::kFrameShift});
  return machine_.smmu().may_cache(partition_) ? machine_.invalidate_smmu(partition_) : base::Status{};
}

base::Result<base::FrameNumber> TableMemory::allocate_table() { return machine_.take_table(); }
void TableMemory::free_table(base::FrameNumber table) { machine_.give_back_table(table); }
std::size_t TableMemory::available_tables() { return machine_.available_tables(); }
std::uint16_t& TableMemory::used_entries(base::FrameNumber table) { return machine_.used_entries(table); }

}  // namespace host

namespace hal::stage2 {
namespace {

using Builder = TableBuilder<host::TableMemory>;

// The root of a partition that must have one.
std::optional<base::FrameNumber> checked_root(host::Machine& machine, base::PartitionId partition) {
  const auto root = machine.root_of(partition);
  machine.check(root.has_value(), "stage2: the partition has no address space");
  return root;
}

}  // namespace

base::Status create(base::PartitionId partition) {
  host::Machine& machine = host::Machine::current();
  if (machine.faults().strikes(host::FallibleStep::kStage2Create)) return base::Error::kNoTables;
  machine.check(!machine.root_of(partition).has_value(), "stage2::create: the partition has an address space");
  host::TableMemory memory(machine, partition);
  MON_TRY_ASSIGN(const base::FrameNumber root, Builder(memory).create());
  machine.set_root(partition, root);
  return {};
}

void destroy(base::PartitionId partition) {
  host::Machine& machine = host::Machine::current();
  const auto root = checked_root(machine, partition);
  if (!root) return;
  for (const auto& [stream, attached] : machine.smmu().effective_entries()) {
    machine.check(attached != partition, "stage2::destroy: a device stream is still attached");
  }
  for (const auto& core : machine.cores()) {
    machine.check(!core->in_guest || core->guest.entry.partition != partition,
                  "stage2::destroy: a core still runs the partition");
  }
  host::TableMemory memory(machine, partition);
  // A timeout is no refusal: the tables are empty all the same, their frames just never come back.
  (void)Builder(memory).destroy(*root);
  machine.set_root(partition, std::nullopt);
}

base::Status map(base::PartitionId partition, base::Ipa ipa, base::FrameRange frames, base::Access access) {
  host::Machine& machine = host::Machine::current();
  if (machine.faults().strikes(host::FallibleStep::kStage2Map)) return base::Error::kNoTables;
  const auto root = checked_root(machine, partition);
  if (!root) return base::Error::kInternal;
  host::TableMemory memory(machine, partition);
  const base::Status status = Builder(memory).map(*root, ipa, frames, access);
  machine.check(status.ok() || status.error() == base::Error::kNoTables, "stage2::map: the range is not unmapped");
  return status;
}

base::Status unmap(base::PartitionId partition, base::Ipa ipa, base::FrameRange frames) {
  host::Machine& machine = host::Machine::current();
  if (machine.faults().strikes(host::FallibleStep::kStage2Unmap)) return base::Error::kNoTables;
  const auto root = checked_root(machine, partition);
  if (!root) return base::Error::kInternal;
  host::TableMemory memory(machine, partition);
  Builder builder(memory);
  for (std::uint64_t i = 0; i < frames.count().value;) {
    const auto now = builder.walk(*root, base::Ipa{ipa.value + (i << base::kFrameShift)});
    const base::FrameNumber expected{frames.first().value + i};
    if (!now.ok() || base::frame_of(now.value().address) != expected) {
      machine.violation("stage2::unmap: the range is not mapped to these frames");
      return base::Error::kInternal;
    }
    // The rest of a block is one leaf: look at the next leaf only.
    const std::uint64_t leaf = registers::stage2_descriptor::span_of(now.value().level) >> base::kFrameShift;
    i += leaf - ((ipa.value >> base::kFrameShift) + i) % leaf;
  }
  return builder.unmap(*root, ipa, frames.count());
}

base::Status invalidate(base::PartitionId partition, base::Ipa ipa, base::FrameCount count) {
  host::Machine& machine = host::Machine::current();
  if (machine.faults().strikes(host::FallibleStep::kStage2Invalidate)) return base::Error::kDeviceTimeout;
  machine.invalidate_everywhere({partition, ipa.value, count.value << base::kFrameShift});
  return {};
}

base::Result<base::PhysAddr> translate(base::PartitionId partition, base::Ipa ipa) {
  host::Machine& machine = host::Machine::current();
  const auto root = machine.root_of(partition);
  if (!root) return base::Error::kNotOwned;
  host::TableMemory memory(machine, partition);
  MON_TRY_ASSIGN(const auto found, Builder(memory).walk(*root, ipa));
  return found.address;
}

}  // namespace hal::stage2
